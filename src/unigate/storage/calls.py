"""The calls as administration reads them: pages, newest first, and one call with its attempts and bodies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from unigate.errors import Refusal
from unigate.storage.database import Database, Row, Rows, Value

__all__ = [
    "COLUMNS",
    "Attempt",
    "CallFilter",
    "CallLine",
    "CallPage",
    "KeptBody",
    "WholeCall",
    "one_call",
    "page_of_calls",
]

COLUMNS = (
    'id, at_ns, ended_ns, operation, status, "end", key, name, project, organisation, model, provider, target, '
    "streamed, demo, total_us, first_byte_us, overhead_us, input_tokens, output_tokens, cached_tokens, "
    "reasoning_tokens, cache_write_tokens, audio_input_tokens, audio_output_tokens, estimated, cost_nano, price, "
    "held_nano, flags, error, peer, client_request_id, upstream_request_id, dropped, gateway, life"
)
_Given = dict[str, tuple[Value, ...]]
# Each is an index, or goes with one, so that a page takes as long with a million calls as with a thousand.
_CONDITIONS = {
    "key": "key = ?",
    "project": "project = ?",
    "organisation": "organisation = ?",
    "model": "model = ?",
    "provider": "provider = ?",
    "status": "status = ?",
    "end": '"end" = ?',
    "since_ns": "at_ns >= ?",
    "until_ns": "at_ns < ?",
    "some_id": "id IN (SELECT id FROM calls WHERE id = ? UNION SELECT id FROM calls WHERE client_request_id = ?)",
    "after": "(at_ns, id) < (?, ?)",
    "before_ns": "at_ns < ?",
}
_INDEXED = frozenset(("key", "project", "organisation", "model", "provider", "status", "end"))
_ENDS = {
    name: f"SELECT (SELECT at_ns FROM calls WHERE {_CONDITIONS[name]} ORDER BY at_ns LIMIT 1), "
    f"(SELECT at_ns FROM calls WHERE {_CONDITIONS[name]} ORDER BY at_ns DESC LIMIT 1)"
    for name in sorted(_INDEXED)
}
_ONE = f"SELECT {COLUMNS} FROM calls WHERE id = ?"
_ATTEMPTS = 'SELECT number, provider, target, "end", us FROM failed_attempts WHERE call = ? ORDER BY number'
_BODIES = "SELECT kind, content, size, redacted FROM bodies WHERE call = ? ORDER BY kind"
_LARGEST_PAGE = 1000
_FIRST_SPAN_NS = 60_000_000_000
# A span takes about as long as all before it together, so a search ends within three times this.
_PATIENCE_S = 0.08


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are wanted; `some_id` is a whole id: ours, or the client's."""

    key: str | None = None
    project: str | None = None
    organisation: str | None = None
    model: str | None = None
    provider: str | None = None
    status: int | None = None
    end: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    some_id: str | None = None


class CallLine(msgspec.Struct, frozen=True, array_like=True):
    """A call as its row has it."""

    id: str
    at_ns: int
    ended_ns: int
    operation: str
    status: int
    end: str
    key: str | None
    name: str | None
    project: str | None
    organisation: str | None
    model: str | None
    provider: str | None
    target: str | None
    streamed: bool
    demo: bool
    total_us: int
    first_byte_us: int | None
    overhead_us: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cache_write_tokens: int | None
    audio_input_tokens: int | None
    audio_output_tokens: int | None
    estimated: bool
    cost_nano: int | None
    price: str | None
    held_nano: int | None
    # Words with spaces between them.
    flags: str
    error: str | None
    peer: str | None
    client_request_id: str | None
    upstream_request_id: str | None
    # One to a line.
    dropped: str
    gateway: str
    life: str


class CallPage(msgspec.Struct, frozen=True):
    """Some calls, newest first; `next` is the cursor of the page behind it, if there is one."""

    calls: tuple[CallLine, ...]
    next: str | None


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """An attempt of a call that failed."""

    number: int
    provider: str
    target: str
    end: str
    us: int


class KeptBody(msgspec.Struct, frozen=True, array_like=True):
    """What was kept of a body; it was longer if `size` says so."""

    kind: str
    content: bytes
    size: int
    redacted: bool


class WholeCall(msgspec.Struct, frozen=True):
    """Everything that is known of a call."""

    line: CallLine
    attempts: tuple[Attempt, ...]
    bodies: tuple[KeptBody, ...]


def page_of_calls(
    database: Database,
    wanted: CallFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
    patience_s: float = _PATIENCE_S,
) -> CallPage:
    """A page of calls, newest first, in a bounded time; where they are rare it may hold fewer, even none, and go on.

    Raises Refusal (400) for a cursor that is none, StorageError.
    """
    limit = min(max(limit, 1), _LARGEST_PAGE)
    given: _Given = {name: (value,) for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    if wanted.some_id is not None:
        given["some_id"] = (wanted.some_id,) * 2
    if cursor is not None:
        given["after"] = _read_cursor(cursor)
    with database.reading() as run:
        if len(_INDEXED.intersection(given)) < 2 or wanted.some_id is not None:
            rows, behind = _look(run, given, limit + 1), None
        else:
            rows, behind = _look_back(run, given, limit + 1, patience_s)
    calls = tuple(msgspec.convert(row, CallLine, strict=False) for row in rows[:limit])
    if len(rows) > limit:
        return CallPage(calls, f"{calls[-1].at_ns}.{calls[-1].id}")
    return CallPage(calls, f"{behind}." if behind is not None else None)


def _look(run: Rows, given: _Given, most: int) -> Sequence[Row]:
    return run(_page_statement(tuple(given)), (*(value for values in given.values() for value in values), most))


def _look_back(run: Rows, given: _Given, most: int, patience_s: float) -> tuple[list[Row], int | None]:
    """Looks at longer and longer spans of the past; the calls found, and the moment before which it did not look.

    An index has calls by one fact: where two common facts never meet, it would be read from end to end. What each has
    first and last bounds the search, so a fact that no call has ends it at once.
    """
    ends = [run(_ENDS[name], (*value, *value))[0] for name, value in given.items() if name in _ENDS]
    if any(oldest is None for oldest, _ in ends):
        return [], None
    floor = max(_number(given.get("since_ns")), *(int(str(oldest)) for oldest, _ in ends))
    bounds = [int(str(newest)) for _, newest in ends]
    bounds += [_number(given[name]) for name in ("until_ns", "after") if name in given]
    until = min(bounds) + 1
    found: list[Row] = []
    span, give_up_at = _FIRST_SPAN_NS, time.monotonic() + patience_s
    while len(found) < most and until > floor:
        since = max(until - span, floor)
        within: _Given = {"since_ns": (since,), "before_ns": (until,)}
        found += _look(run, given | within, most - len(found))
        until, span = since, span * 2
        if time.monotonic() > give_up_at:
            break
    return found, until if until > floor else None


def one_call(database: Database, id: str) -> WholeCall | None:
    """A call with its attempts and bodies; None if there is none. Raises StorageError."""
    with database.reading() as run:
        rows = run(_ONE, (id,))
        if not rows:
            return None
        return WholeCall(
            msgspec.convert(rows[0], CallLine, strict=False),
            msgspec.convert(run(_ATTEMPTS, (id,)), tuple[Attempt, ...]),
            tuple(msgspec.convert(row, KeptBody, strict=False) for row in run(_BODIES, (id,))),
        )


@lru_cache(maxsize=512)
def _page_statement(names: tuple[str, ...]) -> str:
    """The statement for these conditions: one of a finite set, whatever their values are."""
    conditions = " AND ".join([_CONDITIONS[name] for name in names]) or "1 = 1"
    return f"SELECT {COLUMNS} FROM calls WHERE {conditions} ORDER BY at_ns DESC, id DESC LIMIT ?"


def _number(values: tuple[Value, ...] | None) -> int:
    return int(str(values[0])) if values else 0


def _read_cursor(cursor: str) -> tuple[int, str]:
    at, dot, id = cursor.partition(".")
    if not dot or not at.isascii() or not at.isdigit() or len(at) > 19 or len(id) > 200:
        raise Refusal(400, "invalid_value", "The cursor is none that a page gave.", param="cursor")
    return int(at), id
