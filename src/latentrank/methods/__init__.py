"""Every method as a row of one table, its options, and what may be asked of its rank."""

from latentrank.methods.table import (
    COMMON_OPTIONS,
    Method,
    Option,
    build,
    get,
    is_built_in,
    names,
    options,
    register,
    resolve,
)

__all__ = [
    "COMMON_OPTIONS",
    "Method",
    "Option",
    "build",
    "get",
    "is_built_in",
    "names",
    "options",
    "register",
    "resolve",
]
