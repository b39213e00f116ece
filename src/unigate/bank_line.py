"""Both ends of a door's line to the bank, and which doors live at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import msgspec

from unigate.admission.bank_words import Frames, FromBank, FromDoor, encode_word, read_from_bank, read_from_door
from unigate.journal import is_locked

__all__ = ["BankLine", "DoorLine", "Teller", "living_in"]

log = logging.getLogger("unigate.keeper")


class Teller(Protocol):
    """Who listens to doors."""

    def heard(self, line: BankLine, word: FromDoor) -> None:
        """A door said something."""
        ...

    def hung_up(self, line: BankLine) -> None:
        """A door's line is gone."""
        ...


class BankLine(asyncio.Protocol):
    """The bank's end, to one door; `life` is empty until the door has said hello."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.life = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                self._teller.heard(self, read_from_door(payload))
        except (ValueError, msgspec.DecodeError) as error:
            log.error("bank.not_understood life=%s reason=%s", self.life, error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._teller.hung_up(self)

    def say(self, word: FromBank) -> None:
        """Sends one word, unless the door has gone."""
        if self._transport is not None:
            self._transport.write(encode_word(word))

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()


class DoorLine(asyncio.Protocol):
    """The door's end; `lost` is done once the line is gone."""

    def __init__(self, hear: Callable[[FromBank], None]) -> None:
        self._hear = hear
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for payload in self._frames.feed(data):
            self._hear(read_from_bank(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    def say(self, word: FromDoor) -> None:
        """Sends one word, unless the bank has gone."""
        if self._transport is not None:
            self._transport.write(encode_word(word))

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()


def living_in(journals: Path) -> frozenset[str]:
    """The lives of doors whose journals are locked by somebody."""
    folders = journals.iterdir() if journals.is_dir() else ()
    return frozenset(folder.name for folder in folders if is_locked(folder / "lock"))
