"""A door that slept too long uses nothing of before; one that forgot a limit tells so until that is noted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from harness import eventually
from unigate.admission.bank_words import (
    Draw,
    Frames,
    FromDoor,
    Grant,
    Granted,
    Hello,
    Holding,
    Noted,
    Returned,
    encode_word,
    read_from_door,
)
from unigate.admission.wallet import Need
from unigate.clock import StoreClock
from unigate.lender import Lender
from unigate.tenancy import Quota, QuotaKind

AT = 1_795_392_000_000_000_000  # 2026-11-23 00:00:00 UTC
MINUTE = (Quota("k", QuotaKind.REQUESTS, 9, "key 'k'"),)
BUDGET = (Quota("k", QuotaKind.USD_TOTAL, 9, "key 'k'"),)
OTHER_BUDGET = (Quota("other", QuotaKind.USD_TOTAL, 9, "key 'other'"),)
OTHER_SLICE = Grant("other", QuotaKind.USD_TOTAL.value, "total", 5, 9, 4)
SLICE = Grant("k", QuotaKind.REQUESTS.value, "", 5, 9, 4)


class Bank:
    """The other end of doors' lines: hears words, and says what the test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames()
        self._heard: list[FromDoor] = []

    async def next(self) -> FromDoor:
        """The next word of the door."""
        while not self._heard:
            data = await asyncio.wait_for(self._reader.read(65536), 60.0)
            assert data, "it hung up"
            self._heard += map(read_from_door, self._frames.feed(data))
        return self._heard.pop(0)

    def grant(self, draw: FromDoor, slice: Grant = SLICE) -> None:
        """Answers a draw with a slice."""
        assert isinstance(draw, Draw)
        self._writer.write(encode_word(Granted(draw.number, (slice,))))

    def note(self, word: FromDoor) -> None:
        """Says that a word is kept."""
        assert isinstance(word, Hello | Returned)
        self._writer.write(encode_word(Noted(word.note)))

    def hang_up(self) -> None:
        self._writer.close()


@asynccontextmanager
async def lines(folder: Path) -> AsyncIterator[tuple[Lender, asyncio.Queue[Bank]]]:
    """A door, and the lines it opens one after the other."""
    opened: asyncio.Queue[Bank] = asyncio.Queue()
    server = await asyncio.start_unix_server(lambda r, w: opened.put_nowait(Bank(r, w)), folder / "bank.sock")
    lender = Lender(folder / "bank.sock", "door", StoreClock(), lambda _: None)
    living = asyncio.create_task(lender.live())
    try:
        yield lender, opened
    finally:
        living.cancel()
        await asyncio.wait((living,))
        server.close()


def heard(word: FromDoor) -> tuple[str, tuple[Holding, ...]]:
    """Who says hello, and with what."""
    assert isinstance(word, Hello)
    return word.life, word.holdings


def test_what_a_door_forgot_is_told_until_the_bank_has_noted_that_very_word(tmp_path: Path) -> None:
    async def play() -> None:
        async with lines(tmp_path) as (lender, opened):
            bank = await opened.get()
            await bank.next()
            spent = lender.wallet.parts(BUDGET, AT)[0].allowance
            spent.grant(5)
            lender.wallet.take(BUDGET, Need(5, 0), AT).settle(5, 0)
            spent.used_at -= 100
            forgot = await bank.next()
            assert isinstance(forgot, Returned) and forgot.backs[0].closed and forgot.note
            asking = asyncio.create_task(lender.permit(OTHER_BUDGET, Need(1, 0), AT))
            bank.grant(await bank.next(), OTHER_SLICE)  # which says nothing of the word before it
            await asking
            assert [one.closed for one in lender.wallet.holdings()] == [0, 5]

            bank.hang_up()
            bank = await asyncio.wait_for(opened.get(), 60.0)
            hello = await bank.next()
            assert [one.closed for one in heard(hello)[1]] == [0, 5]
            bank.note(hello)
            await eventually(lambda: [one.closed for one in lender.wallet.holdings()] == [0])

    asyncio.run(play())


def test_a_slice_that_is_heard_of_too_late_is_asked_for_anew(tmp_path: Path) -> None:
    async def play() -> None:
        async with lines(tmp_path) as (lender, opened):
            bank = await opened.get()
            assert heard(await bank.next()) == ("door", ())
            asking = asyncio.create_task(lender.permit(MINUTE, Need(0, 0), AT))
            draw = await bank.next()
            lender.wallet.rates_until = lender.wallet.second  # it was not heard of for as long as that
            bank.grant(draw)

            bank = await asyncio.wait_for(opened.get(), 60.0)
            assert heard(await bank.next()) == ("door", ())
            bank.grant(await bank.next())
            await asking
            assert lender.wallet.allowance(("k", "requests", "")).drawn == SLICE.amount

    asyncio.run(play())
