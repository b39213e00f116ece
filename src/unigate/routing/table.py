"""The provider table: one row of facts for each service, and how a row becomes a configured provider."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import msgspec

from unigate.config import ProviderSettings
from unigate.secret import Secret
from unigate.target import Endpoint, Provider, Quirks, Signing

__all__ = [
    "CREDENTIALS",
    "SCHEMES",
    "Probe",
    "Row",
    "Table",
    "TableError",
    "build_provider",
    "nearest",
    "parse_table",
    "schemes_of",
]

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_FILLED_LATER = frozenset({"model", "operation"})

SCHEMES: Mapping[str, tuple[str, ...]] = {
    "bearer": ("api_key",),
    "x-api-key": ("api_key",),
    "azure-key": ("api_key",),
    "x-goog-api-key": ("api_key",),
    "access-token": ("access_token",),
    "aws-sigv4": ("access_key_id", "secret_access_key"),
    "google": ("credentials_file",),
    "none": (),
}
"""The ways a credential can travel, and what an operator gives for each."""

_OPTIONAL: Mapping[str, frozenset[str]] = {"aws-sigv4": frozenset({"session_token"})}
CREDENTIALS = frozenset(name for names in (*SCHEMES.values(), *_OPTIONAL.values()) for name in names)
"""The settings that are credentials, or halves of one."""


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
    auth: str | tuple[str, ...] | None = None
    headers: dict[str, str] = {}
    path: str = "{operation}"
    query: str = ""
    model_in_body: bool = True


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of one service; docs/contributing/add-a-provider.md explains every field."""

    title: str
    speaks: tuple[str, ...]
    docs: str = ""
    base_url: str | None = None
    needs: tuple[str, ...] = ()
    variables: dict[str, tuple[str, ...]] = {}
    defaults: dict[str, str] = {}
    follows: dict[str, dict[str, dict[str, str]]] = {}
    auth: str | tuple[str, ...] = "bearer"
    headers: dict[str, str] = {}
    path: str = "{operation}"
    query: str = ""
    model_in_body: bool = True
    also: tuple[Also, ...] = ()
    key_variables: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    set: dict[str, str | int | float | bool] = {}
    quirks: Quirks = Quirks()
    stream_usage: bool = True
    # The section of the table of prices where its models are.
    prices: str = ""
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
    facts = _facts(row, given)
    if missing := [need for need in row.needs if need not in facts]:
        raise TableError(f"provider '{name}' needs {' and '.join(missing)}")
    scheme = _scheme(name, row, settings)
    return Provider(
        name=name,
        endpoints=_endpoints(row, settings, facts, scheme),
        key=_key(scheme, settings),
        signing=_signing(settings, facts),
        rename=row.rename,
        drop=frozenset(row.drop),
        set={key: msgspec.Raw(msgspec.json.encode(value)) for key, value in row.set.items()},
        quirks=row.quirks,
        stream_usage=row.stream_usage,
        refuses_hints=settings.hints == "refuse",
        timeouts=settings.timeouts,
        max_connections=settings.max_connections,
        drains=settings.when_client_leaves == "drain",
        prices=_prices(row, settings),
    )


def schemes_of(auth: str | tuple[str, ...]) -> tuple[str, ...]:
    """The schemes of a place, the preferred one first."""
    return (auth,) if isinstance(auth, str) else auth


def _prices(row: Row, settings: ProviderSettings) -> str:
    """Where the prices are: another address than the row's may be anybody's, with prices of its own."""
    if settings.prices is not None:
        return settings.prices
    is_elsewhere = row.base_url is not None and (settings.base_url or row.base_url).rstrip("/") != row.base_url
    return "" if is_elsewhere else row.prices


def _given(settings: ProviderSettings) -> dict[str, str]:
    named = {
        "base_url": settings.base_url,
        "api_version": settings.api_version,
        "account": settings.account,
        "region": settings.region,
        "project": settings.project,
        "location": settings.location,
        "origin": settings.origin,
    }
    return {name: value.rstrip("/") for name, value in named.items() if value}


def _facts(row: Row, given: Mapping[str, str]) -> dict[str, str]:
    """What the placeholders stand for: the row's defaults, what was given, and what follows from that."""
    facts = {**row.defaults, **given}
    for fact, cases in row.follows.items():
        facts |= cases.get(facts.get(fact, ""), {})
    return {name: _fill(value, facts) if name in row.defaults else value for name, value in facts.items()}


def _templates(row: Row) -> str:
    rest = (text for one in row.also for text in (one.base_url or "", one.path, one.query))
    return " ".join([row.base_url or "", row.path, row.query, *row.defaults.values(), *rest])


def _credentials(settings: ProviderSettings) -> frozenset[str]:
    named = {
        "api_key": settings.api_key,
        "access_token": settings.access_token,
        "access_key_id": settings.access_key_id,
        "secret_access_key": settings.secret_access_key,
        "session_token": settings.session_token,
        "credentials_file": settings.credentials_file,
    }
    return frozenset(name for name, value in named.items() if value)


def _scheme(name: str, row: Row, settings: ProviderSettings) -> str:
    """The first of the row's schemes that the given credentials are enough for. Raises TableError."""
    given = _credentials(settings)
    schemes = schemes_of(row.auth)
    scheme = next((one for one in schemes if given.issuperset(SCHEMES[one])), None)
    if scheme is None and row.local and not given:
        return schemes[0]
    if scheme is None:
        ways = ", or ".join(" and ".join(SCHEMES[one]) for one in schemes)
        raise TableError(f"provider '{name}' needs {ways}")
    used = _OPTIONAL.get(scheme, frozenset()).union(SCHEMES[scheme])
    if unused := sorted(given - used):
        raise TableError(f"provider '{name}' gives {' and '.join(unused)}, which is of no use here; remove it")
    return scheme


def _key(scheme: str, settings: ProviderSettings) -> Secret:
    others = {"access-token": settings.access_token, "aws-sigv4": settings.secret_access_key}
    return others.get(scheme, settings.api_key) or Secret("")


def _signing(settings: ProviderSettings, facts: Mapping[str, str]) -> Signing:
    return Signing(
        region=facts.get("region", ""),
        access_key_id=settings.access_key_id or "",
        session_token=settings.session_token or Secret(""),
        credentials_file=settings.credentials_file or "",
    )


class _Place(msgspec.Struct, frozen=True):
    """One address of a row, whichever part of the row it stands in."""

    speaks: tuple[str, ...]
    base_url: str
    auth: tuple[str, ...]
    headers: dict[str, str]
    path: str
    query: str
    model_in_body: bool


def _places(row: Row) -> list[_Place]:
    return [
        _Place(
            one.speaks,
            one.base_url or row.base_url or "",
            schemes_of(one.auth or row.auth),
            one.headers,
            one.path,
            one.query,
            one.model_in_body,
        )
        for one in (row, *row.also)
    ]


def _endpoints(row: Row, settings: ProviderSettings, facts: Mapping[str, str], scheme: str) -> tuple[Endpoint, ...]:
    places = _places(row)
    if settings.speaks is not None:
        places = _distribute(settings.speaks, places)
    elif settings.base_url:
        # One address cannot be two services: what has an address of its own does not follow the first.
        places = [one for one in places if one.base_url == places[0].base_url]
    return tuple(
        Endpoint(
            base_url=_fill(facts.get("base_url") or one.base_url, facts),
            speaks=one.speaks,
            auth=scheme if scheme in one.auth else one.auth[0],
            headers={**one.headers, **settings.headers},
            path=_fill(one.path, facts),
            query=_fill(one.query, facts),
            model_in_body=one.model_in_body,
        )
        for one in places
    )


def _distribute(words: tuple[str, ...], places: list[_Place]) -> list[_Place]:
    """The places that keep a word of `speaks`, in its order; a word no place knows goes to the first that is kept."""
    kept = [(one, [_kept(word, one) for word in words if _covers(one.speaks, word)]) for one in places]
    kept = [(one, spoken) for one, spoken in kept if spoken] or [(places[0], [])]
    known = {word for _, spoken in kept for word in spoken}
    kept[0][1].extend(word for word in words if word not in known)
    order = {word: index for index, word in enumerate(words)}
    kept.sort(key=lambda one: min(order.get(word, len(order)) for word in one[1]))
    return [msgspec.structs.replace(one, speaks=tuple(spoken)) for one, spoken in kept]


def _kept(word: str, place: _Place) -> str:
    """What a chosen word means at a place: only the streamed calls, where that is all the place is for."""
    streamed = f"{word}.stream"
    return streamed if streamed in place.speaks else word


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
