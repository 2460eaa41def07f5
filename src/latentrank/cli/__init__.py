"""The command line: `latentrank COMMAND`."""

from latentrank.cli import (  # each adds its commands to the app
    catalogue,
    inspect,
    measure,
    train,
    use,
)
from latentrank.cli.app import Stopped, app

__all__ = ["Stopped", "app", "catalogue", "inspect", "measure", "train", "use"]
