"""The provider table: one row of facts for each service, and how a row becomes a configured provider."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import msgspec

from unigate.config import ProviderSettings
from unigate.secret import Secret
from unigate.target import Endpoint, Provider

__all__ = ["Probe", "Row", "Table", "TableError", "build_provider", "nearest", "parse_table"]

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_FILLED_LATER = frozenset({"model", "operation"})


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a server on this machine is recognised: a GET on its usual port, and the keys its JSON answer has."""

    port: int
    path: str
    has: tuple[str, ...]
    owned_by: str | None = None


class Also(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A second address of the same service, with the same key."""

    speaks: tuple[str, ...]
    base_url: str | None = None
    auth: str | None = None
    headers: dict[str, str] = {}


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of one service; docs/contributing/add-a-provider.md explains every field."""

    title: str
    speaks: tuple[str, ...]
    docs: str = ""
    base_url: str | None = None
    needs: tuple[str, ...] = ()
    variables: dict[str, tuple[str, ...]] = {}
    defaults: dict[str, str] = {}
    auth: str = "bearer"
    headers: dict[str, str] = {}
    path: str = "{operation}"
    query: str = ""
    also: tuple[Also, ...] = ()
    key_variables: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    set: dict[str, str | int | float | bool] = {}
    stream_usage: bool = True
    local: bool = False
    probe: Probe | None = None


Table = Mapping[str, Row]


class TableError(ValueError):
    """A provider entry and its row do not make a whole provider; the text says what is missing."""


def parse_table(rows: object) -> Table:
    """The table out of the parsed file. Raises msgspec.ValidationError for a malformed row."""
    return msgspec.convert(rows, type=dict[str, Row])


def nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    """`; nearest: 'x', 'y'` for a mistyped name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return "; nearest: " + ", ".join(f"'{one}'" for one in close) if close else ""


def build_provider(name: str, settings: ProviderSettings, table: Table) -> Provider:
    """The provider of one entry. Raises TableError if a fact is missing."""
    kind = settings.kind or name
    row = table.get(kind)
    if row is None:
        raise TableError(f"unknown kind '{kind}'{nearest(kind, table)}")
    facts = {**row.defaults, **_given(settings)}
    if missing := [need for need in row.needs if need not in facts]:
        raise TableError(f"provider '{name}' needs {' and '.join(missing)}")
    if settings.api_key is None and row.auth != "none" and not row.local:
        raise TableError(f"provider '{name}' needs api_key")
    return Provider(
        name=name,
        endpoints=_endpoints(row, settings, facts),
        key=settings.api_key or Secret(""),
        rename=row.rename,
        drop=frozenset(row.drop),
        set={key: msgspec.Raw(msgspec.json.encode(value)) for key, value in row.set.items()},
        stream_usage=row.stream_usage,
        timeouts=settings.timeouts,
        max_connections=settings.max_connections,
    )


def _given(settings: ProviderSettings) -> dict[str, str]:
    named = {
        "base_url": settings.base_url,
        "api_version": settings.api_version,
        "account": settings.account,
        "origin": settings.origin,
    }
    return {name: value.rstrip("/") for name, value in named.items() if value}


def _endpoints(row: Row, settings: ProviderSettings, facts: Mapping[str, str]) -> tuple[Endpoint, ...]:
    first = Endpoint(
        base_url=_fill(facts.get("base_url") or row.base_url or "", facts),
        speaks=frozenset(settings.speaks or row.speaks),
        auth=row.auth,
        headers={**row.headers, **settings.headers},
        path=_fill(row.path, facts),
        query=_fill(row.query, facts),
    )
    if settings.speaks is not None:
        return (first,)
    others = (
        Endpoint(
            base_url=_fill(one.base_url, facts) if one.base_url and "base_url" not in facts else first.base_url,
            speaks=frozenset(one.speaks),
            auth=one.auth or row.auth,
            headers={**one.headers, **settings.headers},
        )
        for one in row.also
    )
    return (first, *others)


def _fill(template: str, facts: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in _FILLED_LATER:
            return found.group(0)
        if name not in facts:
            raise TableError(f"'{name}' is not given")
        return facts[name]

    return _PLACEHOLDER.sub(value, template).rstrip("/")
