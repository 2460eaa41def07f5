"""Serving the live page on this machine only."""

from __future__ import annotations

import os
import socket
from typing import Any, Final

import numpy as np

from latentrank.errors import InputError, need
from latentrank.report.live import Explorer

_HOST: Final = "127.0.0.1"


def application(explorer: Explorer) -> Any:
    """The page and its two endpoints, as an ASGI application.

    `POST /decode` takes coordinates, float32, and returns what to draw; `POST /code` takes
    parameters, float64, and returns the code there. Requests under another host name, as from a
    page on the internet, are refused.

    Raises:
        InputError: Starlette is not installed.
    """
    need("starlette", "explore", "explore --live")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    page = explorer.page()

    async def index(request: Any) -> Any:
        return HTMLResponse(page)

    async def decode(request: Any) -> Any:
        found = _numbers(await request.body(), "f4")
        if found is None or len(found) != explorer.directions:
            return PlainTextResponse(
                f"Expected {explorer.directions} coordinates, finite float32.", 400
            )
        return Response(explorer.decoded(found), media_type="application/octet-stream")

    async def code(request: Any) -> Any:
        found = _numbers(await request.body(), "f8")
        try:
            return JSONResponse(explorer.at(np.empty(0) if found is None else found))
        except InputError as error:
            return PlainTextResponse(str(error), 400)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/decode", decode, methods=["POST"]),
            Route("/code", code, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])],
    )


def _numbers(body: bytes, dtype: str) -> Any:
    """Finite numbers, or None."""
    if len(body) % np.dtype(dtype).itemsize:
        return None
    found = np.frombuffer(body, dtype=f"<{dtype}").astype(np.float64)
    return found if np.isfinite(found).all() else None


def listening(port: int) -> socket.socket:
    """A socket that listens on this machine only.

    Args:
        port: a port, or 0 for a free one.

    Raises:
        InputError: the port is in use, or not allowed.
    """
    try:
        listener = socket.create_server((_HOST, port))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise InputError(
            f"Port {port} cannot be used ({reason}); give another --port, or leave it out for a "
            "free one."
        ) from None
    # A response is sent in two parts, and the second would wait 40 ms for acknowledgement of the
    # first. asyncio sets this only for sockets that are explicitly TCP, which create_server's are
    # not.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address(listener: socket.socket) -> str:
    """The page's address."""
    return f"http://{_HOST}:{listener.getsockname()[1]}/"


def serve(app: Any, listener: socket.socket) -> None:
    """Answer requests until interrupted.

    Args:
        app: the application.
        listener: the socket, see `listening`.

    Raises:
        InputError: uvicorn is not installed.
        KeyboardInterrupt: Ctrl-C.
    """
    uvicorn = need("uvicorn", "explore", "explore --live")
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])
