"""Providers and routes that administration made, as rows; the secrets stand in a table of their own, sealed."""

from __future__ import annotations

import msgspec

from unigate.added import ProviderEntry
from unigate.seal import Sealed
from unigate.snapshot import RouteEntry
from unigate.storage.database import Row, Rows

__all__ = ["all_providers", "all_routes", "drop_provider", "drop_route", "put_provider", "put_route"]

_PROVIDERS = (
    "SELECT p.name, p.content, c.key_id, c.nonce, c.sealed FROM provider_entries p"
    " JOIN credentials c ON c.name = p.name ORDER BY p.name"
)
_PUT_PROVIDER = (
    "INSERT INTO provider_entries (name, content, created_ns) VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET content = excluded.content"
)
_PUT_SECRETS = (
    "INSERT INTO credentials (name, key_id, nonce, sealed, created_ns) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) "
    "DO UPDATE SET key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed"
)
_DROP_PROVIDER = "DELETE FROM provider_entries WHERE name = ?"
_DROP_SECRETS = "DELETE FROM credentials WHERE name = ?"
_ROUTES = "SELECT content FROM route_entries ORDER BY name"
_PUT_ROUTE = (
    "INSERT INTO route_entries (name, content, created_ns) VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET content = excluded.content"
)
_DROP_ROUTE = "DELETE FROM route_entries WHERE name = ?"


class _ProviderRow(msgspec.Struct, frozen=True, array_like=True):
    name: str
    content: str
    key_id: str
    nonce: bytes
    sealed: bytes


def all_providers(run: Rows) -> list[ProviderEntry]:
    """All providers, by name."""
    return [_provider(row) for row in run(_PROVIDERS)]


def put_provider(run: Rows, entry: ProviderEntry, now_ns: int) -> None:
    """Keeps a provider as it is now."""
    run(_PUT_PROVIDER, (entry.name, bytes(entry.facts).decode(), now_ns))
    run(_PUT_SECRETS, (entry.name, entry.secrets.key_id, entry.secrets.nonce, entry.secrets.content, now_ns))


def drop_provider(run: Rows, name: str) -> None:
    """Forgets a provider, its secrets first."""
    run(_DROP_SECRETS, (name,))
    run(_DROP_PROVIDER, (name,))


def all_routes(run: Rows) -> list[RouteEntry]:
    """All routes, by name."""
    return [msgspec.json.decode(str(content), type=RouteEntry) for (content,) in run(_ROUTES)]


def put_route(run: Rows, entry: RouteEntry, now_ns: int) -> None:
    """Keeps a route as it is now."""
    run(_PUT_ROUTE, (entry.name, msgspec.json.encode(entry).decode(), now_ns))


def drop_route(run: Rows, name: str) -> None:
    """Forgets a route."""
    run(_DROP_ROUTE, (name,))


def _provider(row: Row) -> ProviderEntry:
    told = msgspec.convert(row, _ProviderRow)
    sealed = Sealed(told.key_id, told.nonce, told.sealed)
    return ProviderEntry(told.name, msgspec.Raw(told.content.encode()), sealed)
