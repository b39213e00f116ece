"""Everything a door needs to judge a call, as one value that is never changed but replaced."""

from __future__ import annotations

import msgspec

from unigate.admission.keys import Keyring
from unigate.call import Caller
from unigate.config import LogSettings, ServerSettings
from unigate.routing.catalog import Catalog, Demo, Route
from unigate.secret import Secret
from unigate.target import Provider, Target

__all__ = ["KeyEntry", "RouteEntry", "Settings", "Snapshot", "Stored", "build_snapshot", "conceal", "reveal"]


class KeyEntry(msgspec.Struct, frozen=True):
    """A key as it is kept: who it names and its hash, never itself."""

    id: str
    name: str
    hash: str
    role: str = "client"
    models: tuple[str, ...] | None = None


class RouteEntry(msgspec.Struct, frozen=True):
    """A route by names, as settings travel between processes."""

    name: str
    policy: str
    targets: tuple[tuple[str, str, int], ...]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor tells its children: the configuration, resolved. Travels over a pipe, never by disk."""

    server: ServerSettings
    providers: tuple[Provider, ...]
    routes: tuple[RouteEntry, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    demo: Demo | None = None
    data: str = "data"
    logs: str = "logs"
    log_level: str = "info"
    log: LogSettings = LogSettings()


class Stored(msgspec.Struct, frozen=True):
    """What the keeper adds to the configuration: keys made at run time, and the providers' lists of models."""

    version: int = 0
    keys: tuple[KeyEntry, ...] = ()
    lists: dict[str, tuple[str, ...]] = {}


class Snapshot(msgspec.Struct, frozen=True):
    """One consistent view of keys and names."""

    keyring: Keyring
    catalog: Catalog
    version: int = 0


def build_snapshot(settings: Settings, stored: Stored) -> Snapshot:
    """The snapshot of a configuration and what the keeper stored last."""
    providers = {provider.name: provider for provider in settings.providers}
    routes = {
        entry.name: Route(
            entry.name,
            entry.policy,
            tuple(Target(providers[provider], model, weight) for provider, model, weight in entry.targets),
        )
        for entry in settings.routes
    }
    lists = {name: models for name, models in stored.lists.items() if name in providers}
    keyring = {bytes.fromhex(entry.hash): _caller(entry) for entry in (*stored.keys, *settings.keys)}
    return Snapshot(keyring, Catalog(providers, routes, lists, settings.demo), stored.version)


def _caller(entry: KeyEntry) -> Caller:
    return Caller(entry.id, entry.name, entry.role, frozenset(entry.models) if entry.models is not None else None)


def reveal(value: object) -> str:
    """Encodes a secret for our own child's life line (msgspec's `enc_hook`). Raises TypeError for anything else."""
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} does not travel")


def conceal(kind: type, value: object) -> Secret:
    """Decodes what `reveal` wrote (msgspec's `dec_hook`)."""
    return Secret(str(value))
