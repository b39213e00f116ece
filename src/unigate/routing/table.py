"""The provider table: one row of facts for each service, and how a row becomes a configured provider."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import msgspec

from unigate.config import ProviderSettings
from unigate.secret import Secret
from unigate.target import Endpoint, Provider, Quirks

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
    query: str = ""


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
    quirks: Quirks = Quirks()
    stream_usage: bool = True
    example: str | None = None
    local: bool = False
    discover: bool = True
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
    given = _given(settings)
    if useless := [fact for fact in given if fact != "base_url" and f"{{{fact}}}" not in _templates(row)]:
        raise TableError(f"provider '{name}' gives {' and '.join(useless)}, which '{kind}' has no use for; remove it")
    if "base_url" in given and "origin" in given:
        raise TableError(f"provider '{name}' gives base_url and origin; keep one")
    facts = {**row.defaults, **given}
    if missing := [need for need in row.needs if need not in facts]:
        raise TableError(f"provider '{name}' needs {' and '.join(missing)}")
    if not settings.api_key and row.auth != "none" and not row.local:
        raise TableError(f"provider '{name}' needs api_key")
    return Provider(
        name=name,
        endpoints=_endpoints(row, settings, facts),
        key=settings.api_key or Secret(""),
        rename=row.rename,
        drop=frozenset(row.drop),
        set={key: msgspec.Raw(msgspec.json.encode(value)) for key, value in row.set.items()},
        quirks=row.quirks,
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


def _templates(row: Row) -> str:
    return " ".join([row.base_url or "", row.path, row.query, *(one.base_url or "" for one in row.also)])


class _Place(msgspec.Struct, frozen=True):
    """One address of a row, whichever part of the row it stands in."""

    speaks: tuple[str, ...]
    base_url: str
    auth: str
    headers: dict[str, str]
    path: str
    query: str


def _places(row: Row) -> list[_Place]:
    base_url = row.base_url or ""
    return [
        _Place(row.speaks, base_url, row.auth, row.headers, row.path, row.query),
        *(
            _Place(one.speaks, one.base_url or base_url, one.auth or row.auth, one.headers, "{operation}", one.query)
            for one in row.also
        ),
    ]


def _endpoints(row: Row, settings: ProviderSettings, facts: Mapping[str, str]) -> tuple[Endpoint, ...]:
    places = _places(row)
    if settings.speaks is not None:
        places = _distribute(settings.speaks, places)
    elif settings.base_url:
        # One address cannot be two services; what people put in a service's place speaks OpenAI's format.
        places = [one for one in places if any(word.startswith("openai.") for word in one.speaks)] or places[:1]
    return tuple(
        Endpoint(
            base_url=_fill(facts.get("base_url") or one.base_url, facts),
            speaks=one.speaks,
            auth=one.auth,
            headers={**one.headers, **settings.headers},
            path=_fill(one.path, facts),
            query=_fill(one.query, facts),
        )
        for one in places
    )


def _distribute(words: tuple[str, ...], places: list[_Place]) -> list[_Place]:
    """The places that keep a word of `speaks`; a word no place knows goes to the first that is kept."""
    kept = [(one, [word for word in words if _covers(one.speaks, word)]) for one in places]
    kept = [(one, spoken) for one, spoken in kept if spoken] or [(places[0], [])]
    known = {word for _, spoken in kept for word in spoken}
    kept[0][1].extend(word for word in words if word not in known)
    return [msgspec.structs.replace(one, speaks=tuple(spoken)) for one, spoken in kept]


def _covers(speaks: tuple[str, ...], word: str) -> bool:
    return any(word == one or word.startswith(f"{one}.") or one.startswith(f"{word}.") for one in speaks)


def _fill(template: str, facts: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in _FILLED_LATER:
            return found.group(0)
        if name not in facts:
            raise TableError(f"'{name}' is not given")
        return facts[name]

    return _PLACEHOLDER.sub(value, template).rstrip("/")
