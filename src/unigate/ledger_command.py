"""`unigate export` and `unigate db`: calls as lines, a comparison of the books, and the end of a lost gateway."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from unigate.config_file import read_config
from unigate.discovery import read_dotenv
from unigate.errors import ConfigError, StorageError
from unigate.price import NANO
from unigate.serve import Stop, find_config
from unigate.storage.checking import Difference, Findings, check_books
from unigate.storage.database import Database
from unigate.storage.exporting import exported_lines
from unigate.storage.forgetting import forget_gateway, known_gateways
from unigate.storage.moving import move
from unigate.storage.opening import MOVED, gateway_id, open_database, sqlite_path
from unigate.storage.sqlite import Sqlite
from unigate.texts import Texts, is_chinese

__all__ = ["check", "export", "forget", "move_store"]

_ALIVE_S = 60
_MOST_SHOWN = 20
_TEXTS = {
    "no_data": (
        "There is no gateway's data in {data}; say where it is with --data.",
        "{data} 中没有网关数据；请用 --data 指定目录。",
    ),
    "bad_time": (
        "'{text}' is no time; write 2026-11-23 or 2026-11-23T14:00 (UTC).",
        "“{text}”不是时间；请写成 2026-11-23 或 2026-11-23T14:00（UTC）。",
    ),
    "storage": ("The database could not be read or changed: {reason}", "数据库无法读取或更改：{reason}"),
    "exported": ("{count} calls were written.", "已写出 {count} 次调用。"),
    "books": (
        "{calls} calls, ${dollars} in all; {waiting} records wait in the journal.",
        "共 {calls} 次调用，合计 ${dollars}；日志中有 {waiting} 条记录待写入。",
    ),
    "clean": ("Journal, rows and counters say the same.", "日志、明细与计数三者一致。"),
    "counters": ("Counters that differ from the hours' sums:", "计数与每小时合计不一致："),
    "hours": ("Hours whose sums differ from their rows:", "每小时合计与明细不一致："),
    "missing": ("Calls that the journal has and the rows have not:", "日志中有而明细中没有的调用："),
    "head": ("what\tdollars\tcalls\ttokens", "对象\t金额\t调用\t令牌"),
    "more": ("… and {count} more", "……另有 {count} 项"),
    "no_gateway": (
        "The database knows no gateway '{gateway}'. It knows: {known}",
        "数据库中没有网关“{gateway}”。已知：{known}",
    ),
    "alive": (
        "The gateway '{gateway}' said that it lives {seconds} s ago; stop it first. Only one whose host and data "
        "folder are lost is to be forgotten.",
        "网关“{gateway}”在 {seconds} 秒前还在运行；请先停止它。只有主机和数据目录都已丢失的网关才应当忘记。",
    ),
    "forgotten": (
        "The gateway '{gateway}' is forgotten: {calls} running calls were charged all they had reserved, and "
        "${dollars} that it held are free again.",
        "已忘记网关“{gateway}”：{calls} 次进行中的调用按其预留金额计费，另有它占用的 ${dollars} 已释放。",
    ),
    "not_sqlite": (
        "The configuration names PostgreSQL already; only SQLite can be moved.",
        "配置已指向 PostgreSQL；只有 SQLite 可以迁移。",
    ),
    "copying": ("  {table}: {count}", "  {table}：{count}"),
    "moved": (
        "Moved {calls} calls, ${dollars} in all, and found the same on both sides. The running gateway goes on there "
        "by itself; now name the new address as 'database' in the configuration. The old file keeps its tables aside.",
        "已迁移 {calls} 次调用，合计 ${dollars}，两边核对一致。运行中的网关会自动改用新库；"
        "现在请把新地址写入配置的 database。旧文件中的表已改名保留。",
    ),
    "silent": ("{id} (silent for {seconds} s)", "{id}（已静默 {seconds} 秒）"),
    "none": ("none", "无"),
}


def export(config: Path | None, data: Path, span: tuple[str, str], out: Path | None, env: Mapping[str, str]) -> int:
    """Writes a JSON line for each call of a time, to a file or standard output; the exit code."""

    def act(database: Database) -> int:
        since, until = _instant(span[0]), _instant(span[1])
        if since is None or until is None:
            print(say("bad_time", text=span[0] if since is None else span[1]), file=sys.stderr)
            return 2
        count = 0
        with out.open("wb") if out is not None else nullcontext(sys.stdout.buffer) as file:
            for line in exported_lines(database, since, until):
                file.write(line)
                count += 1
        print(say("exported", count=count), file=sys.stderr)
        return 0

    say = _Say(env)
    return _run(config, data, env, say, act)


def check(config: Path | None, data: Path, env: Mapping[str, str]) -> int:
    """Compares journal, rows and counters, and prints what differs; the exit code is 1 if anything does."""

    def act(database: Database) -> int:
        found = check_books(database, gateway_id(data), data / "journal")
        dollars = _dollars(found.nano)
        print(say("books", calls=found.calls, dollars=dollars, waiting=found.waiting))
        if found.is_clean:
            print(say("clean"))
            return 0
        _show(found, say)
        return 1

    say = _Say(env)
    return _run(config, data, env, say, act)


def forget(config: Path | None, data: Path, gateway: str, env: Mapping[str, str]) -> int:
    """Frees what a lost gateway had reserved; the exit code."""

    def act(database: Database) -> int:
        known = {one.id: one.silent_s for one in known_gateways(database)}
        if gateway not in known:
            names = [say("silent", id=id, seconds=silent) for id, silent in known.items()]
            print(say("no_gateway", gateway=gateway, known=", ".join(names) or say("none")), file=sys.stderr)
            return 1
        if known[gateway] < _ALIVE_S:
            print(say("alive", gateway=gateway, seconds=known[gateway]), file=sys.stderr)
            return 1
        gone = forget_gateway(database, gateway)
        print(say("forgotten", gateway=gateway, calls=gone.calls, dollars=_dollars(gone.freed)))
        return 0

    say = _Say(env)
    return _run(config, data, env, say, act)


def move_store(config: Path | None, data: Path, to: str, env: Mapping[str, str]) -> int:
    """Moves the ledger from SQLite to PostgreSQL, also while a gateway runs; the exit code. Can be repeated."""

    def act(source: Database) -> int:
        if sqlite_path(_url(config, env), data) is None or not isinstance(source, Sqlite):
            print(say("not_sqlite"), file=sys.stderr)
            return 2
        with closing(open_database(to, data)) as target:
            told = move(source, target, gateway_id(data), data / MOVED, to, tell=tell)
        print(say("moved", calls=told.calls, dollars=_dollars(told.nano)))
        return 0

    def tell(table: str, count: int) -> None:
        print(say("copying", table=table, count=count), file=sys.stderr, flush=True)

    say = _Say(env)
    return _run(config, data, env, say, act)


class _Say:
    """The sentences of these commands in the user's language."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._column = 1 if is_chinese(environment) else 0

    def __call__(self, sentence: str, /, **values: object) -> str:
        return _TEXTS[sentence][self._column].format(**values)


def _run(config: Path | None, data: Path, env: Mapping[str, str], say: _Say, act: Callable[[Database], int]) -> int:
    """Does something with the database that the configuration names; a look must not make one."""
    try:
        url = _url(config, env)
        file = sqlite_path(url, data)
        if file is not None and not file.exists():
            print(say("no_data", data=data), file=sys.stderr)
            return 2
        with closing(open_database(url, data)) as database:
            return act(database)
    except (Stop, ConfigError) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise  # whoever reads what is printed has seen enough
    except (StorageError, OSError) as error:
        print(say("storage", reason=error), file=sys.stderr)
        return 1


def _url(config: Path | None, env: Mapping[str, str]) -> str | None:
    path = find_config(config, Texts(env))
    told = read_config(path, read_dotenv(Path(".env"), env)).database if path is not None else None
    return told.reveal() if told is not None else None


def _show(found: Findings, say: _Say) -> None:
    for title, differences in (("counters", found.counters), ("hours", found.hours)):
        if differences:
            print(say(title), _table(differences, say), sep="\n")
    if found.missing:
        print(say("missing"), *(f"  {id}" for id in found.missing[:_MOST_SHOWN]), sep="\n")
        _say_more(len(found.missing), say)


def _table(differences: Sequence[Difference], say: _Say) -> str:
    rows = [say("head").split("\t")]
    for one in differences[:_MOST_SHOWN]:
        pairs = [(_dollars(one.here[0]), _dollars(one.there[0])), *zip(one.here[1:], one.there[1:], strict=True)]
        rows.append([one.about, *(f"{here}" if here == there else f"{here} ≠ {there}" for here, there in pairs)])
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    if len(differences) > _MOST_SHOWN:
        lines.append("  " + say("more", count=len(differences) - _MOST_SHOWN))
    return "\n".join(lines)


def _say_more(count: int, say: _Say) -> None:
    if count > _MOST_SHOWN:
        print("  " + say("more", count=count - _MOST_SHOWN))


def _dollars(nano: int) -> str:
    """Dollars to the last nano-dollar, without zeros at the end."""
    whole, rest = divmod(abs(nano), NANO)
    return f"{'-' if nano < 0 else ''}{whole}.{rest:09d}".rstrip("0").rstrip(".")


def _instant(text: str) -> int | None:
    """A day or a time as nanoseconds since 1970; UTC if it names no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000
