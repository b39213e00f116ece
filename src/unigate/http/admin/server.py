"""What answers on the keeper's two sockets; a module of its own, because it is loaded for the first visitor only."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator, Sequence

import uvicorn
from starlette.types import ASGIApp

from unigate.http.admin.access import Access
from unigate.http.admin.app import OperatorOnly, build_app
from unigate.snapshot import Settings
from unigate.storage.registry import Registry

__all__ = ["AdminServer", "open_servers"]

_KEEP_ALIVE = 120  # doors keep an idle connection for 55 s, and this side must not be the first to close it


def open_servers(
    for_doors: socket.socket, for_operator: socket.socket, registry: Registry, settings: Settings
) -> Sequence[AdminServer]:
    """One server for each socket, both of the same app."""
    app = build_app(registry, Access(registry, settings, registry.desk.database.now_ns), settings)
    return AdminServer(app, for_doors), AdminServer(OperatorOnly(app), for_operator)


class AdminServer(uvicorn.Server):
    """One app on one listening socket; signals are the keeper's business."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=1,
            )
        )
        self._listener = listener

    async def live(self) -> None:
        """Serves until `should_exit` is set."""
        await self.serve([self._listener])

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
