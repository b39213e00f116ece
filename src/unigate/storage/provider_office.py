"""Makes, replaces and ends providers and routes, each within one change; secrets are sealed before they are kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unigate.added import ProviderEntry, entry_of
from unigate.admission.admins import Admin
from unigate.errors import Refusal
from unigate.seal import SealBroken, Seals
from unigate.secret import Secret
from unigate.snapshot import RouteEntry
from unigate.storage.change import Desk, Work, named_in_file
from unigate.storage.history import Change
from unigate.storage.provider_rows import (
    all_providers,
    all_routes,
    drop_provider,
    drop_route,
    put_provider,
    put_route,
)
from unigate.target import Provider

__all__ = ["ProviderOffice"]


class ProviderOffice:
    """All that can be done to providers and routes."""

    def __init__(self, desk: Desk, keys: Sequence[Secret]) -> None:
        self._desk = desk
        self._seals = Seals(keys)

    def put_provider(self, by: Admin, provider: Provider) -> ProviderEntry:
        """Keeps a provider under its name, new or in place of the one there was. Raises Refusal, StorageError."""
        by.need_everything()
        try:
            entry = entry_of(provider, self._seals)
        except SealBroken as error:
            raise Refusal(503, "cannot_seal", str(error), type="server_error") from error
        with self._desk.change(by) as work:
            if provider.name in work.named.providers:
                raise named_in_file("provider", provider.name, "name")
            before = _provider(work, provider.name)
            put_provider(work.run, entry, work.now_ns)
            _note(work, "provider", provider.name, _facts(before), _facts(entry))
        return entry

    def end_provider(self, by: Admin, name: str) -> None:
        """Ends a provider that no route names. Raises Refusal, StorageError."""
        by.need_everything()
        with self._desk.change(by) as work:
            if name in work.named.providers:
                raise named_in_file("provider", name)
            before = _provider(work, name)
            if before is None:
                raise Refusal(404, "no_such_id", f"There is no provider named '{name}'.")
            if any(place[0] == name for route in all_routes(work.run) for place in route.targets):
                raise Refusal(409, "in_use", f"The provider '{name}' is named by a model; end or change that first.")
            drop_provider(work.run, name)
            _note(work, "provider", name, _facts(before), None)

    def put_route(self, by: Admin, route: RouteEntry) -> None:
        """Keeps a route under its name, new or in place of the one there was. Raises Refusal, StorageError."""
        by.need_everything()
        with self._desk.change(by) as work:
            if route.name in work.named.routes:
                raise named_in_file("model", route.name, "name")
            known = {*work.named.providers, *(one.name for one in all_providers(work.run))}
            for place in route.targets:
                if place[0] not in known:
                    reason = f"There is no provider named '{place[0]}'."
                    raise Refusal(400, "invalid_value", reason, param="targets")
            before = _route(work, route.name)
            put_route(work.run, route, work.now_ns)
            _note(work, "model", route.name, _builtins(before), _builtins(route))

    def end_route(self, by: Admin, name: str) -> None:
        """Ends a route. Raises Refusal, StorageError."""
        by.need_everything()
        with self._desk.change(by) as work:
            if name in work.named.routes:
                raise named_in_file("model", name)
            before = _route(work, name)
            if before is None:
                raise Refusal(404, "no_such_id", f"There is no model named '{name}'.")
            drop_route(work.run, name)
            _note(work, "model", name, _builtins(before), None)

    def reseal(self, by: Admin) -> None:
        """Seals anew what an older key sealed and can still be opened. Raises StorageError."""
        with self._desk.change(by) as work:
            for entry in all_providers(work.run):
                if self._seals.is_newest(entry.secrets):
                    continue
                try:
                    text = self._seals.open(entry.name, entry.secrets)
                except SealBroken:
                    continue
                fresh = msgspec.structs.replace(entry, secrets=self._seals.seal(entry.name, text))
                put_provider(work.run, fresh, work.now_ns)
                work.changes.append(Change("provider.resealed", "provider", entry.name, {}, {}))


def _provider(work: Work, name: str) -> ProviderEntry | None:
    return next((one for one in all_providers(work.run) if one.name == name), None)


def _route(work: Work, name: str) -> RouteEntry | None:
    return next((one for one in all_routes(work.run) if one.name == name), None)


def _facts(entry: ProviderEntry | None) -> dict[str, object] | None:
    """What may be written down of a provider: everything but its secrets."""
    return msgspec.json.decode(entry.facts, type=dict[str, object]) if entry is not None else None


def _builtins(entry: RouteEntry | None) -> dict[str, object] | None:
    return msgspec.to_builtins(entry) if entry is not None else None


def _note(work: Work, kind: str, name: str, before: dict[str, object] | None, after: dict[str, object] | None) -> None:
    what = "ended" if after is None else "made" if before is None else "changed"
    work.changes.append(Change(f"{kind}.{what}", kind, name, before, after))
