"""The final count: what clients saw, what the upstream billed, and what the gateway's books say must be one story."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from gateways import PATIENCE_S
from harness import Mock, until
from ledger.load import Told
from ledger.stage import Stage

__all__ = ["Row", "differences", "log_files", "logged", "logged_in", "rows_of", "select", "until_all_agree"]

# What a row of `calls` says here, in this order.
_COLUMNS = (
    'id, model, status, "end", key, project, organisation, cost_nano, held_nano, flags, input_tokens, '
    "output_tokens, estimated, client_request_id, upstream_request_id, at_ns"
)


@dataclass(frozen=True)
class Row:
    """One call in the gateway's books."""

    id: str
    model: str
    status: int
    end: str
    key: str = ""
    project: str = ""
    organisation: str = ""
    cost: int | None = None
    held: int | None = None
    flags: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    nonce: str = ""
    upstream_id: str = ""
    at_ns: int = 0


def select(where: Stage, statement: str) -> list[list[str]]:
    """The rows of one statement as texts, read beside the gateway: from PostgreSQL, or the SQLite file."""
    if where.database is not None:
        return where.database.run(f"SET search_path = unigate, public; {statement}")
    path = where.folder / "data" / "unigate.db"
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(5000)
        found = connection.execute(statement).fetchall()
    finally:
        connection.close()
    return [["" if value is None else str(value) for value in row] for row in found]


def rows_of(where: Stage, since_ns: int = 0) -> list[Row]:
    """All rows of the calls that ever reached the database, or of those that began since."""
    return [_row(line) for line in select(where, f"SELECT {_COLUMNS} FROM calls WHERE at_ns >= {since_ns}")]


def _row(line: Sequence[str]) -> Row:
    id, model, status, end, key, project, organisation, cost, held, flags, into, out, estimated, nonce, its, at = line
    return Row(
        id, model, int(status), end, key, project, organisation, _number(cost), _number(held), flags, _number(into),
        _number(out), estimated in ("1", "t"), nonce, its, int(at),
    )  # fmt: skip


def _number(text: str) -> int | None:
    return int(text) if text else None


def logged(where: Stage) -> list[Row]:
    """The same calls as the log of calls has them."""
    return [row for path in log_files(where) for row in logged_in(path)]


def log_files(where: Stage) -> list[Path]:
    """The files of the log, also those of former days."""
    return sorted((where.folder / "logs").glob("proxy.log*"))


def logged_in(path: Path) -> list[Row]:
    """The calls that one file has, in its order."""
    found: list[Row] = []
    for line in path.read_text().splitlines():
        told = json.loads(line)
        nonce, its = told.get("client_request_id", ""), told.get("upstream_request_id", "")
        row = Row(told["request_id"], told.get("model", ""), told["status"], told["end"], nonce=nonce)
        found.append(Row(**{**row.__dict__, "upstream_id": its}))
    return found


def nonce_of(model: str) -> str:
    """The nonce in a model's name, or the name itself."""
    return model.rpartition("message=")[2]


def differences(told: Iterable[Told], bill: Sequence[dict[str, object]], rows: Sequence[Row]) -> list[str]:
    """Whatever the three stories do not agree on; each nonce is one call."""
    seen = {one.nonce: one for one in told}
    billed = Counter(nonce_of(str(call["model"])) for call in bill if call["model"])
    found = [f"{id} has {count} rows" for id, count in Counter(row.id for row in rows).items() if count > 1]
    by_id = {row.id: row for row in rows}
    of_nonce: dict[str, list[Row]] = {}
    for row in rows:
        of_nonce.setdefault(nonce_of(row.model), []).append(row)
    for nonce, one in seen.items():
        mine = of_nonce.get(nonce, [])
        if one.was_confirmed:
            row = by_id.get(one.id)
            if row is None:
                found.append(f"{nonce}: confirmed as {one.id}, and there is no row")
            elif (row.end, row.status) != ("ok", 200):
                found.append(f"{nonce}: confirmed, and its row says {row.status} {row.end}")
        if len(mine) > 1:
            found.append(f"{nonce}: {len(mine)} rows for one call: {mine}")
        if billed[nonce] and not mine:
            found.append(f"{nonce}: the upstream has {billed[nonce]} calls and we have no row")
    strangers = set(of_nonce).difference(seen)
    found += [f"{nonce}: a row of a call that nobody made" for nonce in strangers]
    finished = {nonce_of(str(call["model"])) for call in bill if call["finished"]}
    for nonce, mine in of_nonce.items():
        if any(row.end == "ok" for row in mine) and nonce not in finished:
            found.append(f"{nonce}: a row says ok, and the upstream never finished it: {mine}")
    return found


def until_all_agree(
    where: Stage,
    told: Sequence[Told],
    mock: Mock,
    *,
    read: Callable[[Stage], list[Row]] = rows_of,
    within: float = PATIENCE_S,
) -> list[Row]:
    """The rows, once all stories agree; fails with the differences that stay."""
    last: list[str] = []

    def look() -> list[Row] | None:
        nonlocal last
        rows = read(where)
        last = differences(told, mock.calls(), rows)
        return None if last else rows

    try:
        return until(look, "one story", within)
    except AssertionError:
        raise AssertionError(f"{len(last)} differences:\n" + "\n".join(last[:40])) from None
