"""A door that slept too long: what the bank had lent it before is with others by now, and is not used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from unigate.admission.bank_words import Draw, Frames, FromDoor, Grant, Granted, Hello, encode_word, read_from_door
from unigate.admission.wallet import Need
from unigate.clock import StoreClock
from unigate.lender import Lender
from unigate.tenancy import Quota, QuotaKind

AT = 1_795_392_000_000_000_000  # 2026-11-23 00:00:00 UTC
MINUTE = (Quota("k", QuotaKind.REQUESTS, 9, "key 'k'"),)
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
            data = await asyncio.wait_for(self._reader.read(65536), 5.0)
            assert data, "it hung up"
            self._heard += map(read_from_door, self._frames.feed(data))
        return self._heard.pop(0)

    def grant(self, draw: FromDoor) -> None:
        """Answers a draw with a slice."""
        assert isinstance(draw, Draw)
        self._writer.write(encode_word(Granted(draw.number, (SLICE,))))


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


def test_a_slice_that_is_heard_of_too_late_is_asked_for_anew(tmp_path: Path) -> None:
    async def play() -> None:
        async with lines(tmp_path) as (lender, opened):
            bank = await opened.get()
            assert await bank.next() == Hello("door", ())
            asking = asyncio.create_task(lender.permit(MINUTE, Need(0, 0), AT))
            draw = await bank.next()
            lender.wallet.rates_until = lender.wallet.second  # it was not heard of for as long as that
            bank.grant(draw)

            bank = await asyncio.wait_for(opened.get(), 5.0)
            assert await bank.next() == Hello("door", ())
            bank.grant(await bank.next())
            await asking
            assert lender.wallet.allowance(("k", "requests", "")).drawn == SLICE.amount

    asyncio.run(play())
