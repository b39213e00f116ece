"""Everything a door needs to judge a call, as one value that is never changed but replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from unigate.accounting.prices import PriceTable, Section
from unigate.added import Added, ProviderEntry, open_providers
from unigate.admission.guard import KeyGuard
from unigate.admission.keys import Keyring
from unigate.call import Caller
from unigate.config import (
    BudgetSettings,
    CaptureSettings,
    JournalSettings,
    LogSettings,
    RetentionSettings,
    ServerSettings,
)
from unigate.price import Price
from unigate.secret import Secret
from unigate.target import Demo, Provider, Target
from unigate.tenancy import CAPTURES, Capture, Limits, Quota, Scope, Standing, quotas_of

if TYPE_CHECKING:
    from unigate.routing.catalog import Catalog

__all__ = [
    "GroupEntry",
    "KeyEntry",
    "RouteEntry",
    "Settings",
    "Snapshot",
    "Stored",
    "build_snapshot",
    "conceal",
    "reveal",
]


_NOTHING_ADDED = Added()
_NO_KEYS: Keyring = MappingProxyType({})


class GroupEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An organisation, or a project of one: limits that several keys share."""

    id: str
    name: str
    organisation: str | None = None
    models: tuple[str, ...] | None = None
    limits: Limits = Limits()


class KeyEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as it is kept: who it names and its hash, never itself."""

    id: str
    name: str
    hash: str
    role: str = "client"
    models: tuple[str, ...] | None = None
    # The id of the project it belongs to.
    project: str | None = None
    limits: Limits = Limits()
    expires_ns: int | None = None
    # Networks it may be used from, as CIDR; None is everywhere.
    addresses: tuple[str, ...] | None = None
    tags: dict[str, str] = {}
    capture: Capture = Capture.METADATA
    # Of a key that was rotated: its former text works until then.
    old_hash: str | None = None
    old_until_ns: int | None = None
    # Of an admin key: what it may do (None: everything), and the organisation or project that is all it sees.
    scopes: tuple[str, ...] | None = None
    confined: str | None = None


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
    organisations: tuple[GroupEntry, ...] = ()
    projects: tuple[GroupEntry, ...] = ()
    demo: Demo | None = None
    data: str = "data"
    logs: str = "logs"
    log_level: str = "info"
    log: LogSettings = LogSettings()
    database: Secret | None = None
    # What opens the secrets of providers that administration made; the first seals.
    seals: tuple[Secret, ...] = ()
    valkey: Secret | None = None
    retention: RetentionSettings = RetentionSettings()
    journal: JournalSettings = JournalSettings()
    capture: CaptureSettings = CaptureSettings()
    prices: PriceTable = PriceTable()
    budgets: BudgetSettings = BudgetSettings()


class Stored(msgspec.Struct, frozen=True):
    """What the keeper adds to the configuration: keys made at run time, and the providers' lists of models."""

    version: int = 0
    keys: tuple[KeyEntry, ...] = ()
    lists: dict[str, tuple[str, ...]] = {}
    organisations: tuple[GroupEntry, ...] = ()
    projects: tuple[GroupEntry, ...] = ()
    providers: tuple[ProviderEntry, ...] = ()
    routes: tuple[RouteEntry, ...] = ()
    # The prices at those providers, for the file's own table has only what its providers need.
    sections: dict[str, Section] = {}

    def with_keys(self, keys: Iterable[KeyEntry]) -> Stored:
        """The same with these keys."""
        return msgspec.structs.replace(self, keys=tuple(keys))


class Snapshot(msgspec.Struct, frozen=True, weakref=True):
    """One consistent view of keys and names."""

    keyring: Keyring
    catalog: Catalog
    version: int = 0
    added: Added = Added()


def build_snapshot(  # what there is, and what there was
    settings: Settings,
    stored: Stored,
    at_ns: int = 0,
    before: Added = _NOTHING_ADDED,
    known: Keyring = _NO_KEYS,
    more_keys: Iterable[KeyEntry] = (),
) -> Snapshot:
    """The snapshot of a configuration and what the keeper stored last, with the prices of that day in UTC.

    What was opened `before`, or is `known`, and did not change is taken from there. Keys may come one by one, as
    `more_keys`: there may be very many, and nobody should hold them all in both their forms.
    """
    from unigate.routing.catalog import Catalog, Route  # and with it all dialects, which only who takes calls needs

    prices = settings.prices.with_sections(stored.sections)

    def price_of(provider: Provider, model: str) -> Price | None:
        return prices.find(provider, model, at_ns)

    added = open_providers(stored.providers, settings.seals, before)
    providers = {one.name: one for one in (*added.providers.values(), *settings.providers)}
    routes = {
        entry.name: Route(
            entry.name,
            entry.policy,
            tuple(
                Target(providers[provider], model, weight, price_of(providers[provider], model))
                for provider, model, weight in entry.targets
                if provider in providers
            ),
        )
        for entry in (*stored.routes, *settings.routes)
    }
    lists = {name: models for name, models in stored.lists.items() if name in providers}
    groups = {entry.id: entry for entry in (*stored.organisations, *settings.organisations)}
    projects = {entry.id: entry for entry in (*stored.projects, *settings.projects)}
    return Snapshot(
        _keyring(chain(stored.keys, more_keys, settings.keys), projects, groups, known),
        Catalog(providers, routes, lists, settings.demo, price_of, added.broken),
        stored.version,
        added,
    )


class _Home(NamedTuple):
    """What all keys of a project have in common."""

    project: str | None
    organisation: str | None
    models: frozenset[str] | None
    quotas: tuple[Quota, ...]
    # The standings of its keys without limits of their own.
    standings: Mapping[Capture, Standing]


class _Alike:
    """What many keys have in common, each kept once."""

    __slots__ = ("_limits", "_models")

    def __init__(self) -> None:
        self._limits: dict[Limits, Limits] = {}
        self._models: dict[tuple[tuple[str, ...], frozenset[str] | None], frozenset[str] | None] = {}

    def limits(self, limits: Limits) -> Limits:
        return self._limits.setdefault(limits, limits)

    def models(self, names: tuple[str, ...] | None, above: frozenset[str] | None) -> frozenset[str] | None:
        """What both a key's own list and the one above it allow."""
        if names is None:
            return above
        if (names, above) not in self._models:
            self._models[names, above] = _both(_names(names), above)
        return self._models[names, above]


def _keyring(
    keys: Iterable[KeyEntry],
    projects: Mapping[str, GroupEntry],
    organisations: Mapping[str, GroupEntry],
    known: Keyring,
) -> Keyring:
    homes = {one.id: _home(one, organisations) for one in projects.values()}
    alike = _Alike()
    keyring: dict[bytes, Caller] = {}
    for entry in keys:
        home = homes.get(entry.project, _NO_HOME) if entry.project is not None else _NO_HOME
        is_guarded = entry.expires_ns is not None or entry.addresses is not None
        guard = KeyGuard(entry.expires_ns, entry.addresses) if is_guarded else None
        digest = bytes.fromhex(entry.hash)
        keyring[digest] = _same(_caller(entry, home, guard, alike), known.get(digest))
        if entry.old_hash is not None and entry.old_until_ns is not None:
            ends_ns = min(entry.old_until_ns, entry.expires_ns or entry.old_until_ns)
            guard = KeyGuard(ends_ns, entry.addresses, is_replaced=True)
            keyring[bytes.fromhex(entry.old_hash)] = _caller(entry, home, guard, alike)
    return keyring


def _home(project: GroupEntry, organisations: Mapping[str, GroupEntry]) -> _Home:
    above = organisations.get(project.organisation) if project.organisation else None
    scopes = [Scope(project.id, project.name, "project", project.limits)]
    if above is not None:
        scopes.append(Scope(above.id, above.name, "organisation", above.limits))
    models = _both(_names(project.models), _names(above.models) if above is not None else None)
    return _home_of(project.id, above.id if above is not None else None, models, quotas_of(tuple(scopes)))


def _home_of(
    project: str | None, organisation: str | None, models: frozenset[str] | None, quotas: tuple[Quota, ...]
) -> _Home:
    standings = {capture: Standing(project, organisation, quotas, capture) for capture in CAPTURES}
    return _Home(project, organisation, models, quotas, standings)


_NO_HOME = _home_of(None, None, None, ())


def _caller(entry: KeyEntry, home: _Home, guard: KeyGuard | None, alike: _Alike) -> Caller:
    """Who a key names, with everything a call of it is judged by; a name must be allowed by all it belongs to."""
    own = quotas_of((Scope(entry.id, entry.name, "key", alike.limits(entry.limits)),))
    standing = home.standings[entry.capture]
    if own:
        standing = Standing(home.project, home.organisation, own + home.quotas, entry.capture)
    return Caller(entry.id, entry.name, entry.role, alike.models(entry.models, home.models), standing, guard)


def _same(caller: Caller, known: Caller | None) -> Caller:
    """The one that is known if it says the same: there may be very many, and nobody should hold all of them twice."""
    if known is None or known.guard is not None or caller.guard is not None:
        return caller
    is_same = (known.key_id, known.name, known.role, known.models, known.standing) == (
        caller.key_id,
        caller.name,
        caller.role,
        caller.models,
        caller.standing,
    )
    return known if is_same else caller


def _names(models: tuple[str, ...] | None) -> frozenset[str] | None:
    return frozenset(models) if models is not None else None


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What two lists allow; None is a list that allows everything."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def reveal(value: object) -> str:
    """Encodes a secret for our own child's life line (msgspec's `enc_hook`). Raises TypeError for anything else."""
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} does not travel")


def conceal(kind: type, value: object) -> Secret:
    """Decodes what `reveal` wrote (msgspec's `dec_hook`)."""
    return Secret(str(value))
