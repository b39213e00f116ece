"""The log of calls and the terminal: one line a call, whatever is in it and whatever the disk does."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import msgspec
import pytest

from unigate.accounting.record import FailedAttempt, Record
from unigate.config import LogSettings
from unigate.errors import StorageError
from unigate.sinks import ProxyLog, Terminal, log_line, terminal_line
from unigate.usage import Usage

DAY_NS = 86_400_000_000_000
NOON_NS = 1_764_072_000_000_000_000  # 2025-11-25 12:00 UTC
CALL = Record(
    id="req_00000001",
    at_ns=NOON_NS + 1_500_000,
    operation="openai.chat",
    status=200,
    end="ok",
    total_us=532_400,
    key="key_1",
    name="team-a",
    model="gpt-4o-mini",
    provider="openai",
    target="gpt-4o-mini",
    usage=Usage(input_tokens=12, output_tokens=48),
    attempts=(FailedAttempt("azure", "gpt-4o", "upstream_overloaded", 12_000),),
)


def changed(**fields: object) -> Record:
    return msgspec.structs.replace(CALL, **fields)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = NOON_NS

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> ProxyLog:
    return ProxyLog(tmp_path / "logs", LogSettings(), clock)


def lines_of(path: Path) -> list[str]:
    return [json.loads(line)["request_id"] for line in path.read_text("ascii").splitlines()]


def test_a_line_has_every_known_field_of_the_record() -> None:
    assert json.loads(log_line(CALL)) == {
        "time": "2025-11-25T12:00:00.001Z",
        "level": "info",
        "event": "call.finished",
        "request_id": "req_00000001",
        "operation": "openai.chat",
        "status": 200,
        "end": "ok",
        "total_us": 532_400,
        "key": "key_1",
        "name": "team-a",
        "model": "gpt-4o-mini",
        "streamed": False,
        "provider": "openai",
        "target": "gpt-4o-mini",
        "demo": False,
        "input_tokens": 12,
        "output_tokens": 48,
        "attempts": [
            {"provider": "azure", "target": "gpt-4o", "end": "upstream_overloaded", "us": 12_000},
        ],
    }


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "\x00\x1b[31m\x7f\x9b", "a\u0085b\u2028c\u2029d", '"}\n{"', "模型 🚪"]
)
def test_a_call_is_one_line_of_printable_ascii_whatever_it_is_called(text: str) -> None:
    line = log_line(changed(model=text, name=text, error=text))

    assert line.count(b"\n") == 1
    assert line[:-1].decode("ascii").isprintable()
    assert json.loads(line)["model"] == text


@pytest.mark.parametrize(
    ("status", "end", "level"),
    [
        (200, "ok", "info"),
        (404, "refused", "warning"),
        (502, "upstream_error", "error"),
        (200, "upstream_truncated", "warning"),
        (200, "client_left", "warning"),
        (503, "client_left", "warning"),
        (0, "interrupted", "error"),
    ],
)
def test_the_level_says_how_much_to_care(status: int, end: str, level: str) -> None:
    assert json.loads(log_line(changed(status=status, end=end)))["level"] == level


def test_the_file_is_its_owners_alone(log: ProxyLog, tmp_path: Path) -> None:
    log.take([CALL])

    assert (tmp_path / "logs" / "proxy.log").stat().st_mode & 0o777 == 0o600


def test_a_new_day_begins_a_new_file(log: ProxyLog, clock: Clock, tmp_path: Path) -> None:
    log.turn_over()
    log.take([CALL])
    os.utime(tmp_path / "logs" / "proxy.log", ns=(clock.ns, clock.ns))
    before = log.is_due()
    clock.ns += DAY_NS
    due = log.is_due()
    log.turn_over()
    log.take([changed(id="req_2")])

    assert (before, due, log.is_due()) == (False, True, False)
    assert lines_of(tmp_path / "logs" / "proxy.log.2025-11-25") == ["req_00000001"]
    assert lines_of(tmp_path / "logs" / "proxy.log") == ["req_2"]


def test_a_large_file_is_put_aside_under_a_free_name(tmp_path: Path, clock: Clock) -> None:
    log = ProxyLog(tmp_path, LogSettings(rotate_mb=1), clock)
    log.turn_over()
    for _ in range(3):
        log.take([changed(error="x" * 1024 * 1024)])
        log.turn_over()

    names = ["proxy.log", "proxy.log.2025-11-25", "proxy.log.2025-11-25.1", "proxy.log.2025-11-25.2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [(tmp_path / name).stat().st_size > 0 for name in names] == [False, True, True, True]


def test_old_files_are_removed_and_others_are_left_alone(tmp_path: Path, clock: Clock) -> None:
    for name in ("proxy.log.2025-11-17", "proxy.log.2025-11-17.3", "proxy.log.2025-11-18", "proxy.log.old", "other"):
        (tmp_path / name).write_text("x\n")
    ProxyLog(tmp_path, LogSettings(keep_days=7), clock).turn_over()

    assert {path.name for path in tmp_path.iterdir()} == {"proxy.log", "proxy.log.2025-11-18", "proxy.log.old", "other"}


def test_half_a_line_of_a_killed_process_is_cut_off(log: ProxyLog, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "proxy.log"
    path.parent.mkdir()
    path.write_bytes(log_line(CALL) + b'{"time":"2025-')
    log.take([changed(id="req_2")])

    assert lines_of(path) == ["req_00000001", "req_2"]


def test_a_record_that_comes_again_after_a_crash_is_left_out(tmp_path: Path, clock: Clock) -> None:
    first = ProxyLog(tmp_path, LogSettings(), clock)
    first.take([CALL])
    mark = first.settle()
    first.take([changed(id="req_2"), changed(id="req_3")])

    second = ProxyLog(tmp_path, LogSettings(), clock)
    second.resume(mark)
    fresh = second.take([changed(id="req_2"), changed(id="req_3"), changed(id="req_4")])

    assert [record.id for record in fresh] == ["req_4"]
    assert lines_of(tmp_path / "proxy.log") == ["req_00000001", "req_2", "req_3", "req_4"]


def test_a_record_that_comes_again_after_a_crash_before_the_first_save_is_left_out(
    log: ProxyLog, tmp_path: Path, clock: Clock
) -> None:
    log.take([CALL])
    second = ProxyLog(tmp_path / "logs", LogSettings(), clock)
    second.resume("")

    assert second.take([CALL]) == []


def test_a_record_that_comes_again_after_a_crash_at_midnight_is_left_out(tmp_path: Path, clock: Clock) -> None:
    first = ProxyLog(tmp_path, LogSettings(), clock)
    first.turn_over()
    first.take([CALL])
    mark = first.settle()
    clock.ns += DAY_NS
    first.turn_over()
    first.take([changed(id="req_2")])

    second = ProxyLog(tmp_path, LogSettings(), clock)
    second.resume(mark)

    assert second.take([changed(id="req_2")]) == []


def test_a_record_that_comes_again_because_the_database_did_not_take_it_is_left_out(
    log: ProxyLog, tmp_path: Path
) -> None:
    first, second = changed(id="req_1"), changed(id="req_2")
    log.take([first])
    log.expect([first])

    assert log.take([first, second]) == [second]
    assert lines_of(tmp_path / "logs" / "proxy.log") == ["req_1", "req_2"]


def test_a_file_that_was_moved_away_is_begun_anew(log: ProxyLog, tmp_path: Path) -> None:
    log.take([CALL])
    (tmp_path / "logs" / "proxy.log").rename(tmp_path / "elsewhere")
    log.take([changed(id="req_2")])

    assert lines_of(tmp_path / "logs" / "proxy.log") == ["req_2"]


def test_a_log_that_cannot_be_written_keeps_nothing_and_takes_the_same_records_later(
    log: ProxyLog, tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=r"proxy\.log cannot be written"):
        log.take([CALL])
    (tmp_path / "logs").unlink()

    assert log.take([CALL]) == [CALL]
    assert lines_of(tmp_path / "logs" / "proxy.log") == ["req_00000001"]


def test_the_terminal_shows_a_call_on_one_line() -> None:
    line = terminal_line(CALL)

    assert line[8:] == " 200 chat gpt-4o-mini → openai/gpt-4o-mini 12→48 tok 532 ms  team-a req_00000001\n"


def test_the_terminal_is_told_why_a_call_failed_and_what_was_tried() -> None:
    failed = changed(status=502, end="upstream_error", error="upstream_error", usage=Usage())
    line = terminal_line(failed, with_attempts=True)

    assert line[8:] == (
        " 502 chat gpt-4o-mini → openai/gpt-4o-mini 532 ms  team-a req_00000001 upstream_error "
        "[azure/gpt-4o upstream_overloaded 12 ms]\n"
    )


def test_no_name_can_command_the_terminal() -> None:
    line = terminal_line(changed(name="\x1b[2J\x9b31m", model="a\nb"))

    assert line.count("\n") == 1
    assert line[:-1].isprintable()


@pytest.mark.parametrize(
    ("level", "shown"),
    [("debug", "200 404 502"), ("info", "200 404 502"), ("warning", "404 502"), ("error", "502")],
)
def test_the_level_decides_what_is_shown(level: str, shown: str) -> None:
    told, fd = os.pipe()
    calls = [CALL, changed(status=404, end="refused"), changed(status=502, end="upstream_error")]
    Terminal(fd, level).show(calls)
    os.close(fd)
    with os.fdopen(told, encoding="utf-8") as lines:
        assert " ".join(line.split()[1] for line in lines) == shown


def test_only_a_terminal_gets_colours() -> None:
    told, fd = pty.openpty()
    Terminal(fd, "info").show([CALL])

    assert b"\x1b[32m200\x1b[0m chat" in os.read(told, 4096)
    os.close(fd)
    os.close(told)


def test_a_terminal_that_nobody_reads_is_not_waited_for_and_told_what_it_missed() -> None:
    told, fd = os.pipe()
    terminal = Terminal(fd, "info")
    terminal.show([CALL] * 2000)
    first = os.read(told, 1 << 20).count(b"\n")
    terminal.show([CALL])
    rest = os.read(told, 1 << 20).decode()

    assert 100 < first < 2000
    assert rest.splitlines()[0] == f"({2000 - first} calls are not shown here; the log has them)"


def test_every_field_of_a_record_has_its_place_in_a_line() -> None:
    numbers = {"at_ns", "status", "total_us", "first_byte_us", "overhead_us"}
    texts = set(Record.__struct_fields__) - numbers - {"usage", "attempts", "streamed", "demo"}
    usage = Usage(1, 2, 3, 4, True, 5, 6, 7, 8)
    line = json.loads(log_line(changed(**dict.fromkeys(texts, "text"), **dict.fromkeys(numbers, 5), usage=usage)))

    renamed = {"id": "request_id", "at_ns": "time", "cost": "cost_nano", "held": "held_nano"}
    assert {renamed.get(name, name) for name in Record.__struct_fields__} - {"usage", "budgets"} <= set(line)
    counts = set(Usage.__struct_fields__) - {"rejected", "tier"}  # these are told among the flags
    assert msgspec.convert({name: line[name] for name in counts}, Usage) == usage
