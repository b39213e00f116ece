"""A call whose record cannot be written: its client hears the truth, and never a proper end."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from harness import answer_ok, chat, provider, raw_upstream
from unigate.accounting.record import Body, Intent, Record, decode_entry
from unigate.call import Call, Caller
from unigate.capture import Books, Shelf
from unigate.charge import Cashier
from unigate.clock import StoreClock, wall
from unigate.config import ServerSettings
from unigate.current import Current
from unigate.dialects.table import DIALECTS
from unigate.journal import Journal, read_frames, segments_of
from unigate.lender import Lender
from unigate.pipeline import Pipeline
from unigate.reply import Outlet, Reply
from unigate.snapshot import Settings, Stored, build_snapshot
from unigate.upstream.client import Upstream

SEGMENT = 8 * 1024 * 1024


def full_journal(folder: Path, room: int) -> Journal:
    """A journal with room for so many bytes, on a disk that gives no more."""
    journal = Journal(folder)
    left = SEGMENT - room
    while left > 0:
        size = min(left, 4 * 1024 * 1024)
        journal.append(random.randbytes(size - 16))  # a frame has a head of 16 bytes
        left -= size
    shutil.rmtree(folder)
    return journal


def heard(folder: Path, journal: Journal) -> str:
    """What a client hears whose call is written down there."""

    async def play(port: int) -> bytes:
        settings = Settings(server=ServerSettings(), providers=(provider("raw", port),))
        snapshot = build_snapshot(settings, Stored())
        upstream = Upstream()
        books = Books(journal, Shelf(journal, folder, most=1024))
        cashier = Cashier(Lender(folder / "bank.sock", "life", StoreClock(), lambda _: None), wall)
        pipeline = Pipeline(Current(snapshot), upstream, books, cashier, heartbeat=15.0)
        call = Call("req_1", "openai.chat", Caller("k", "n", "client", None), {}, peer="", started_ns=1)
        call.content = chat("m")
        client, told = Outlet(), bytearray()
        client.write = told.extend
        reply = Reply(client, b"req_1", with_body=True, http_10=False, keep_alive=True)
        await pipeline.carry(call, DIALECTS["openai.chat"], None, reply)
        upstream.close()
        return bytes(told)

    with raw_upstream(answer_ok) as upstream:
        return asyncio.run(play(upstream.port)).decode()


@pytest.mark.parametrize(("room", "has_run"), [(20, False), (80, True)])
def test_a_call_that_cannot_be_written_down_is_503(tmp_path: Path, room: int, has_run: bool) -> None:
    told = heard(tmp_path / "life", full_journal(tmp_path / "life", room))
    assert told.startswith("HTTP/1.1 503 ") and '"code":"storage_full"' in told
    assert ("x-should-retry: false" in told) is has_run


def test_an_attempt_belongs_to_the_window_in_which_its_call_began(tmp_path: Path) -> None:
    heard(tmp_path / "life", Journal(tmp_path / "life"))
    entries = [decode_entry(payload) for payload, _ in read_frames(segments_of(tmp_path / "life")[0], 0, 4096)]
    assert [(type(one), one.at_ns) for one in entries if not isinstance(one, Body)] == [(Intent, 1), (Record, 1)]
