"""Who administers: the one place that turns a request into an admin, and says what each route needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from msgspec.structs import replace

from unigate.admission.admins import OPERATOR, Admin, Right, admin_of
from unigate.admission.keys import Keyring, identify
from unigate.call import Caller
from unigate.clock import Wall
from unigate.errors import Refusal
from unigate.snapshot import KeyEntry, Settings, Stored, build_snapshot
from unigate.storage.registry import Registry

__all__ = ["OPERATOR_MARK", "Access", "By", "Routes"]

OPERATOR_MARK = "unigate.operator"
"""Stands in the scope of a request that came over the operator's socket; no client can put it there."""

_ADMIN = "unigate.admin"
_NO_ADMIN = Caller("", "", "client", None)


class Access:
    """Knows who each admin key is, from the last snapshot."""

    def __init__(self, registry: Registry, settings: Settings, wall: Wall) -> None:
        self._registry = registry
        self._settings = settings
        self._wall = wall
        self._made: tuple[Stored, Keyring, Mapping[str, KeyEntry]] | None = None

    async def prove(self, request: Request) -> None:
        """Finds out who asks. Raises Refusal (401, 403), StorageError."""
        if request.scope.get(OPERATOR_MARK) is True:
            request.scope[_ADMIN] = OPERATOR
            return
        keyring, entries = self._current()
        caller = identify(dict(request.scope["headers"]), request.scope["query_string"], keyring)
        if caller.guard is not None:
            # The door has looked at the address. The store's time is asked for, which all gateways share.
            caller.guard.check_time(await asyncio.to_thread(self._wall))
        if caller.role != "admin":
            raise Refusal(403, "not_allowed", "This needs an admin key.", type="permission_error")
        request.scope[_ADMIN] = admin_of(entries[caller.key_id])

    def _current(self) -> tuple[Keyring, Mapping[str, KeyEntry]]:
        stored = self._registry.stored
        if self._made is None or self._made[0] is not stored:
            self._made = (stored, *_admins(stored, self._settings))
        return self._made[1], self._made[2]


def _admins(stored: Stored, settings: Settings) -> tuple[Keyring, Mapping[str, KeyEntry]]:
    """Who each admin key is; of all others, which may be very many, nothing matters but that they are known."""
    keyring: dict[bytes, Caller] = {}
    for one in (*stored.keys, *settings.keys):
        for hash in (one.hash, one.old_hash):
            if hash is not None and one.role != "admin":
                keyring[bytes.fromhex(hash)] = _NO_ADMIN
    theirs, named = (tuple(one for one in keys if one.role == "admin") for keys in (stored.keys, settings.keys))
    keyring |= build_snapshot(replace(settings, keys=named), replace(stored, keys=theirs)).keyring
    return keyring, {one.id: one for one in (*theirs, *named)}


def _proved(request: Request) -> Admin:
    admin: Admin = request.scope[_ADMIN]
    return admin


By = Annotated[Admin, Depends(_proved)]
"""Who asks, for a handler that must know."""


class Routes:
    """Adds routes to a router, none without the right that it needs."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router

    def add(
        self, method: str, path: str, handler: Callable[..., object], right: Right, summary: str, *, status: int = 200
    ) -> None:
        """One route; its right stands in the document, and is checked before the handler sees anything."""

        def needed(by: By) -> None:
            by.need(right)

        name = getattr(handler, "__name__", "")
        self._router.add_api_route(
            path,
            handler,
            methods=[method],
            operation_id=name,
            summary=summary,
            status_code=status,
            dependencies=[Depends(needed)],
            openapi_extra={"x-unigate-scope": right.value},
        )
