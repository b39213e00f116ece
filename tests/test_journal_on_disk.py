"""The journal on a real disk: that fails at any step, is full, loses its power, or must confirm each entry."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import (
    KEY,
    Answer,
    Door,
    Mock,
    chat,
    key_entry,
    listening,
    provider,
    request,
    spawn_door,
    start_mock,
    until,
)
from unigate.config import JournalSettings, ServerSettings
from unigate.errors import StorageError
from unigate.journal import Journal, next_frame, read_frames, segments_of
from unigate.snapshot import Settings

ALL = 1 << 30
SECTOR = 512
SEGMENT = 8 * 1024 * 1024
can_trace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes system calls fail")


def payloads_of(folder: Path) -> list[bytes]:
    """What the reader of a life that is over finds, also behind damaged places."""
    found: list[bytes] = []
    for segment in segments_of(folder):
        place: int | None = 0
        while place is not None:
            for payload, end in read_frames(segment, place, ALL):
                found.append(payload)
                place = end
            place = next_frame(segment, place)
    return found


# --- power cuts


def cut_power(segment: Path, synced: int, written: int, rng: random.Random) -> set[int]:
    """Loses any of the sectors that were not synced; which ones."""
    lost = {at for at in range(synced // SECTOR, written // SECTOR + 1) if rng.random() < rng.choice((0.02, 0.3, 0.8))}
    with segment.open("r+b") as file:
        for sector in lost:
            start = max(sector * SECTOR, synced)  # what a sector had at the sync, it has for ever
            file.seek(start)
            file.write(bytes((sector + 1) * SECTOR - start))
    return lost


def test_a_power_cut_loses_only_entries_whose_own_bytes_did_not_reach_the_disk(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for trial in range(25):
        folder = tmp_path / str(trial)
        journal = Journal(folder)
        written: list[tuple[int, int, bytes]] = []
        (segment,) = segments_of(folder)
        synced = at = 0
        for number in range(rng.randint(1, 120)):
            payload = b"%d " % number + rng.randbytes(rng.choice((5, 60, 300, 3000)))
            journal.append(payload)
            written.append((at, at + 16 + len(payload), payload))
            at = written[-1][1]
            synced = at if rng.random() < 0.02 else synced
        lost = cut_power(segment, synced, at, rng)
        whole = [
            payload
            for start, end, payload in written
            if end <= synced or not lost.intersection(range(start // SECTOR, (end - 1) // SECTOR + 1))
        ]

        assert payloads_of(folder) == whole
        journal.close()


def test_what_a_client_sends_cannot_pass_for_an_entry_behind_damage(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    forged = [mark + struct.pack("<II", 6, zlib.crc32(b"forged")) + b"forged" for mark in (b"", bytes(8), b"\xff" * 8)]
    journal.append(b"body: " + b"".join(forged))
    journal.append(b"true")
    (segment,) = segments_of(tmp_path)
    with segment.open("r+b") as file:
        file.seek(12)
        file.write(b"damage")

    assert payloads_of(tmp_path) == [b"true"]
    journal.close()


def test_a_hole_is_not_skipped_while_the_life_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(b"one")
    journal.append(b"two")
    (segment,) = segments_of(tmp_path)
    with segment.open("r+b") as file:
        file.seek(16)
        file.write(b"?")

    assert list(read_frames(segment, 0, ALL)) == []
    journal.close()


# --- room


def fill(lives: Path, size: int) -> Path:
    """A segment of another life that takes so much."""
    elsewhere = lives / "door-9-0"
    elsewhere.mkdir(parents=True, exist_ok=True)
    with (elsewhere / "00000001.segment").open("wb") as file:
        file.truncate(size)
    return elsewhere


def test_while_room_is_short_running_calls_may_end_and_none_begin(tmp_path: Path) -> None:
    fill(tmp_path, 5 * SEGMENT)
    journal = Journal(tmp_path / "door-0-0", most=6 * SEGMENT)
    journal.begin(b"intent")
    journal.provide()
    with pytest.raises(StorageError, match="48 MiB"):
        journal.begin(b"intent of another")
    journal.append(b"record")
    assert [
        payload for segment in segments_of(tmp_path / "door-0-0") for payload, _ in read_frames(segment, 0, ALL)
    ] == [
        b"intent",
        b"record",
    ]
    shutil.rmtree(tmp_path / "door-9-0")
    journal.provide()
    journal.begin(b"intent of another")
    journal.close()


def test_bodies_find_no_room_long_before_calls_do(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "door-0-0", most=10 * SEGMENT)
    journal.provide()
    before = journal.is_tight
    fill(tmp_path, 6 * SEGMENT)
    journal.provide()
    journal.begin(b"intent")

    assert (before, journal.is_tight) == (False, True)
    journal.close()


def test_the_next_segment_is_there_before_it_is_needed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    turned: list[bool] = []
    journal.watch(lambda: turned.append(journal.lacks_spare))
    journal.provide()
    assert (len(segments_of(tmp_path)), journal.lacks_spare) == (2, False)
    for _ in range(3):
        journal.append(bytes(4_000_000))

    assert (turned, len(segments_of(tmp_path)), len(payloads_of(tmp_path))) == ([True], 2, 3)
    journal.close()


# --- a disk that fails


@contextmanager
def traced(pid: int, output: Path, *rules: str) -> Generator[None]:
    """What a running process asks of the system goes by these rules, for as long as the block lasts."""
    command = ["strace", "-f", "-p", str(pid), "-o", str(output), *rules]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert tracer.stderr is not None
        line = tracer.stderr.readline()
        if "attached" not in line:
            pytest.skip(f"strace may not look here: {line}")
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)


# Forks for each folder it is told; the child waits until somebody has attached to it, and writes.
PROGRAM = """
import ctypes
import os
import sys
from pathlib import Path
from unigate.errors import StorageError
from unigate.journal import Journal

ANYONE_MAY_TRACE = (0x59616D61, ctypes.c_ulong(-1))


def write(folder):
    try:
        journal = Journal(Path(folder))
    except (StorageError, OSError):
        return
    for number in range(24):
        try:
            journal.append(b"%d " % number + bytes(1_000_000))
            print(number, flush=True)
        except StorageError:
            pass
        if number % 6 == 0:
            journal.provide()
        if number % 5 == 0:
            try:
                journal.sync()
            except OSError:
                pass


while folder := sys.stdin.readline().rstrip():
    if child := os.fork():
        print(child, flush=True)
        os.waitpid(child, 0)
        print("over", flush=True)
    else:
        ctypes.CDLL(None).prctl(*ANYONE_MAY_TRACE)
        os.read(0, 1)
        write(folder)
        break
"""


class Writer:
    """A running PROGRAM."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def write_with_failing(self, folder: Path, call: str, error: str, when: str) -> tuple[list[int], bool, list[str]]:
        """Which entries the program says were taken, whether the failure happened, and what else it said."""
        child = int(self._ask(f"{folder}\n"))
        places = [str(folder), str(folder / "lock"), *(str(folder / f"{n:08d}.segment") for n in range(1, 9))]
        rules = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
        with traced(child, Path(f"{folder}.trace"), *rules, *(f"-P{place}" for place in places)):
            said = [self._ask("\n")]
            while said[-1] != "over":
                said.append(self._line())
        taken = [int(line) for line in said if line.isdigit()]
        others = [line for line in said[:-1] if not line.isdigit()]
        return taken, "(INJECTED)" in Path(f"{folder}.trace").read_text(), others

    def _ask(self, told: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(told)
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the program ended"
        return line.rstrip()


@pytest.fixture
def writer() -> Iterator[Writer]:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield Writer(process)


@can_trace
@pytest.mark.parametrize("persistent", ["", "+"])
@pytest.mark.parametrize(
    ("call", "error"),
    [("openat", "EIO"), ("fallocate", "ENOSPC"), ("mmap", "ENOMEM"), ("fsync", "EIO")],
)
def test_whichever_step_fails_what_was_taken_can_be_read(
    tmp_path: Path, writer: Writer, call: str, error: str, persistent: str
) -> None:
    for number in range(1, 40):
        folder = tmp_path / str(number)
        taken, has_failed, said = writer.write_with_failing(folder, call, error, f"{number}{persistent}")
        found = [int(payload.split(b" ")[0]) for payload in payloads_of(folder)] if folder.is_dir() else []

        assert (found, said) == (taken, [])
        shutil.rmtree(folder, ignore_errors=True)  # before it is written to the disk
        if not has_failed:
            assert (taken, number > 1) == (list(range(24)), True)
            return
    pytest.fail("the failures never ended")


DISTRUSTFUL = """
import sys
from pathlib import Path
from unigate.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.append(b"one")
try:
    journal.sync()
except OSError:
    journal.append(b"two")
journal.sync()
"""


@can_trace
def test_after_a_failed_sync_the_journal_trusts_that_file_no_more(tmp_path: Path) -> None:
    folder, first = tmp_path / "life", tmp_path / "life" / "00000001.segment"
    command = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "-P", str(first)]
    subprocess.run([*command, sys.executable, "-c", DISTRUSTFUL, str(folder)], timeout=60, check=True)

    assert [[payload for payload, _ in read_frames(one, 0, ALL)] for one in segments_of(folder)] == [[b"one"], [b"two"]]


# --- confirmed entries


@contextmanager
def served(data: Path, mock: Mock, journal: JournalSettings) -> Generator[Door]:
    data.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        server=ServerSettings(),
        providers=(provider("mock", mock.port),),
        keys=(key_entry(KEY, "tests"),),
        data=str(data),
        journal=journal,
    )
    door = spawn_door(settings, listening())
    try:
        yield door
    finally:
        assert door.process.stdin is not None
        door.process.stdin.close()
        door.process.terminate()
        door.process.wait(20)
    assert "Traceback" not in door.log(), door.log()


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@contextmanager
def tampering(door: Door, rule: str, output: Path) -> Generator[None]:
    """The door's `fsync` does as the rule says, for as long as the block lasts."""
    with traced(door.process.pid, output, "-e", "trace=fsync", "-e", rule):
        yield


def asked(door: Door, *, stream: bool = False) -> tuple[Answer, float]:
    began = time.monotonic()
    answer = door.ask(request(chat("mock/script:text=safe", stream=stream)), timeout=30)
    return answer, time.monotonic() - began


ALWAYS = JournalSettings(fsync="always", interval_s=60)


@can_trace
@pytest.mark.parametrize("stream", [False, True])
def test_always_no_answer_ends_before_the_disk_has_its_record(tmp_path: Path, mock: Mock, stream: bool) -> None:
    slow = "inject=fsync:delay_enter=400000"
    with served(tmp_path / "data", mock, ALWAYS) as door, tampering(door, slow, tmp_path / "trace"):
        answer, seconds = asked(door, stream=stream)
    assert answer.status == 200
    assert seconds > 0.8  # the intent waited once, the record once


@can_trace
def test_interval_no_call_waits_for_the_disk(tmp_path: Path, mock: Mock) -> None:
    slow, often = "inject=fsync:delay_enter=4000000", JournalSettings(interval_s=0.05)
    with served(tmp_path / "data", mock, often) as door, tampering(door, slow, tmp_path / "trace"):
        answer, seconds = asked(door)
    assert (answer.status, seconds < 3.0) == (200, True)


@can_trace
def test_always_a_disk_that_confirms_nothing_refuses_calls_unsent_and_serves_again(tmp_path: Path, mock: Mock) -> None:
    model = f"mock/script:text=unsent{os.getpid()}"
    with served(tmp_path / "data", mock, ALWAYS) as door:
        with tampering(door, "inject=fsync:error=EIO", tmp_path / "trace"):
            refused = door.ask(request(chat(model)), timeout=30)
        sent = mock.calls(model.removeprefix("mock/"))
        until(lambda: asked(door)[0].status == 200, "an answer")
    assert (refused.status, refused.json()["error"]["code"]) == (503, "storage_full")  # type: ignore[index]
    assert sent == []


@can_trace
def test_a_door_ends_properly_although_its_disk_fails(tmp_path: Path, mock: Mock) -> None:
    with served(tmp_path / "data", mock, JournalSettings()) as door:
        asked(door)
        with tampering(door, "inject=fsync:error=EIO", tmp_path / "trace"):
            door.process.terminate()
            ended = door.process.wait(20)
    assert (ended, "journal.sync_failed" in door.log()) == (0, True)


def test_a_full_journal_refuses_calls_and_serves_again_soon_after_it_was_carried(tmp_path: Path, mock: Mock) -> None:
    elsewhere = fill(tmp_path / "data" / "journal", 60 * 1024 * 1024)
    with served(tmp_path / "data", mock, JournalSettings(max_gb=0.06)) as door:
        until(lambda: asked(door)[0].status == 503, "a refusal")
        refused, _ = asked(door)
        shutil.rmtree(elsewhere)
        until(lambda: asked(door)[0].status == 200, "an answer")
    assert (refused.status, refused.json()["error"]["code"]) == (503, "storage_full")  # type: ignore[index]
