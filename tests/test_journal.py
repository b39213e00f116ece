"""The journal: what was appended is there, whatever becomes of the process that appended it."""

from __future__ import annotations

import os
import random
import signal
import statistics
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest

from unigate.accounting.record import FailedAttempt, Intent, Record, decode_entry, encode_entry
from unigate.bank_line import living_in
from unigate.errors import StorageError
from unigate.journal import Journal, read_frames, segments_of, take_lock
from unigate.usage import Usage

ALL = 1 << 30


def payloads(folder: Path) -> list[bytes]:
    return [payload for segment in segments_of(folder) for payload, _ in read_frames(segment, 0, ALL)]


def frame(payload: bytes) -> bytes:
    return struct.pack("<II", len(payload), zlib.crc32(payload)) + payload


def test_what_is_appended_can_be_read_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(100):
        journal.append(b"entry %d" % number)
    assert payloads(tmp_path) == [b"entry %d" % number for number in range(100)]
    journal.close()
    assert payloads(tmp_path) == [b"entry %d" % number for number in range(100)]


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    (segment,) = segments_of(tmp_path)
    journal.append(b"one")
    ((first, offset),) = read_frames(segment, 0, ALL)
    journal.append(b"two")
    assert (first, [payload for payload, _ in read_frames(segment, offset, ALL)]) == (b"one", [b"two"])
    journal.close()


def test_a_new_segment_follows_a_full_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entries = [bytes([number]) * 1_000_000 for number in range(20)]
    for entry in entries:
        journal.append(entry)
    assert [segment.name for segment in segments_of(tmp_path)] == [f"{n:08d}.segment" for n in (1, 2, 3)]
    assert payloads(tmp_path) == entries
    journal.close()


def test_an_append_costs_at_most_ten_microseconds(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entry = Record("req_1", 1, "openai.chat", 200, "ok", 7, "k1", "team-a", "smart", True, "openai", "gpt-4o")
    took: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(500):
            journal.append(encode_entry(entry))
        took.append((time.perf_counter() - began) / 500 * 1_000_000)
    print(f"encode and append: {statistics.median(took):.2f} µs")
    journal.close()

    assert min(took) < 10


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux which files are open")
def test_a_full_segment_stays_open_until_it_is_on_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for _ in range(9):
        journal.append(bytes(1_000_000))
    before = open_segments(tmp_path)
    journal.sync()
    assert (before, open_segments(tmp_path)) == ({"00000001.segment", "00000002.segment"}, {"00000002.segment"})
    journal.close()


def open_segments(folder: Path) -> set[str]:
    places = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    ]
    return {Path(place).name for place in places if place.startswith(str(folder)) and place.endswith(".segment")}


def test_a_segment_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "life")
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "life", *segments_of(tmp_path / "life"))]
    assert modes == [0o700, 0o600]
    journal.close()


@pytest.mark.parametrize("damage", ["cut", "flip", "longer"])
def test_a_torn_tail_is_not_there_yet(tmp_path: Path, damage: str) -> None:
    whole, torn = frame(b"whole"), frame(b"torn entry")
    tails = {"cut": torn[:-3], "flip": torn[:-1] + b"?", "longer": struct.pack("<II", 1 << 31, 0) + b"x"}
    (tmp_path / "1.segment").write_bytes(whole + tails[damage] + bytes(100))
    assert payloads(tmp_path) == [b"whole"]


def test_every_cut_of_a_segment_gives_the_whole_frames_before_it(tmp_path: Path) -> None:
    frames = [frame(b"x" * size) for size in (1, 7, 30, 2)]
    content = b"".join(frames)
    ends = [sum(map(len, frames[: n + 1])) for n in range(4)]
    segment = tmp_path / "1.segment"
    for cut in range(len(content) + 1):
        segment.write_bytes(content[:cut] + bytes(20))
        found = [offset for _, offset in read_frames(segment, 0, ALL)]
        assert found == [end for end in ends if end <= cut]


def test_a_keeper_that_looks_whether_a_new_life_lives_does_not_end_it(tmp_path: Path) -> None:
    looked = take_lock(tmp_path / "lock")
    assert looked is not None
    threading.Timer(0.1, os.close, (looked,)).start()

    Journal(tmp_path).close()


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert take_lock(tmp_path / "lock") is None
    with pytest.raises(StorageError):
        Journal(tmp_path)
    journal.close()
    lock = take_lock(tmp_path / "lock")
    assert lock is not None
    os.close(lock)


def test_who_looks_which_doors_live_keeps_no_folder_from_going(tmp_path: Path) -> None:
    living, ended = tmp_path / "door-0-aa", tmp_path / "door-1-bb"
    ended.mkdir()
    journal = Journal(living)

    assert living_in(tmp_path) == {"door-0-aa"}
    ended.rmdir()  # a lock made by looking would be in the way
    journal.close()
    assert living_in(tmp_path) == frozenset()


def test_a_lock_that_cannot_be_opened_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "door-0-aa" / "lock").mkdir(parents=True)

    assert living_in(tmp_path) == frozenset()


def test_an_entry_larger_than_a_segment_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(b"before")
    with pytest.raises(StorageError):
        journal.append(bytes(9 * 1024 * 1024))
    journal.append(b"after")
    assert payloads(tmp_path) == [b"before", b"after"]
    journal.close()


def test_a_full_disk_is_told_and_the_entries_before_it_stay(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for _ in range(2):
        journal.append(b"x" * 4_000_000)
    tmp_path.chmod(0o500) if os.geteuid() else (tmp_path / "00000002.segment").touch()  # no next segment can be made
    with pytest.raises(StorageError):
        journal.append(b"y" * 1_000_000)
    journal.append(b"small")  # what still fits is still taken
    assert [len(payload) for payload in payloads(tmp_path)] == [4_000_000, 4_000_000, 5]
    tmp_path.chmod(0o700)


def test_an_entry_too_large_to_be_read_again_is_refused_and_hides_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(StorageError):
        journal.append(b"x" * 5_000_000)
    journal.append(b"small")

    assert payloads(tmp_path) == [b"small"]


KILLED = """
import sys
from pathlib import Path
from unigate.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(10_000_000):
    journal.append(b"entry %d" % number)
    if number % 100 == 0:
        print(number, flush=True)
"""


def test_nothing_that_was_appended_is_lost_by_kill_9(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    told = -1
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(random.Random(seed).randint(5, 300)):
            told = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            told = int(line) if line.endswith("\n") else told
    found = payloads(tmp_path)
    assert found == [b"entry %d" % number for number in range(len(found))]
    assert len(found) > told
    lock = take_lock(tmp_path / "lock")
    assert lock is not None  # the dead hold no lock
    os.close(lock)


@pytest.mark.parametrize(
    "entry",
    [
        Intent("req_1", 1, 5, "openai.chat", "k1", "team", "smart", "openai", "gpt"),
        Record(id="req_1", at_ns=5, operation="GET /x", status=404, end="refused", total_us=0),
        Record(
            id="req_2",
            at_ns=6,
            operation="openai.chat",
            status=200,
            end="ok",
            total_us=7,
            key="k1",
            name="团队 \u2028",
            usage=Usage(1, 2, 0, None, True),
            attempts=(FailedAttempt("p", "t", "upstream_stale_connection", 3),),
            demo=True,
        ),
    ],
)
def test_an_entry_is_read_as_it_was_written(entry: Intent | Record) -> None:
    assert decode_entry(encode_entry(entry)) == entry
    assert len(encode_entry(entry)) < 400
