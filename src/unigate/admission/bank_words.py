"""What doors and the bank say to each other over `data/bank.sock`: MessagePack arrays in frames of a 4-byte length."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import StrEnum

import msgspec

__all__ = [
    "Asked",
    "Back",
    "Draw",
    "Frames",
    "FromBank",
    "FromDoor",
    "Grant",
    "Granted",
    "Hello",
    "Holding",
    "Noted",
    "Recall",
    "Returned",
    "Tick",
    "Verdict",
    "Want",
    "encode_word",
    "read_from_bank",
    "read_from_door",
]

_LENGTH = struct.Struct("<I")
_LARGEST = 64 * 1024 * 1024


class Verdict(StrEnum):
    """Why a wish was not granted whole."""

    GRANTED = "granted"
    # What is spent and what is lent leave too little, and nobody has any to give back.
    SPENT = "spent"
    RESERVED = "reserved"
    # Somebody who may have some did not answer in time, or the store did not.
    UNKNOWN = "unknown"


class Holding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a door has drawn of one limit since it was born, less what it gave back.

    `closed` is what it spent of the limit before it forgot it, where the bank may not have heard of that.
    """

    scope: str
    kind: str
    window: str
    drawn: int
    closed: int = 0


class Want(msgspec.Struct, frozen=True, array_like=True):
    """What a door wishes of one limit: each waiting call's need, and as much to spare as would be handy.

    `returned` is what it has at hand and puts back first, so that the bank decides over all of it.
    """

    scope: str
    kind: str
    window: str
    limit: int
    returned: int
    needs: tuple[int, ...]
    spare: int


class Back(msgspec.Struct, frozen=True, array_like=True):
    """What a door gives back of one limit, and after how many seconds how much more of it comes free there.

    `closed` means that the door forgets the limit, and counts from nothing if it meets it again.
    """

    scope: str
    kind: str
    window: str
    amount: int
    closed: bool = False
    cooling: tuple[tuple[int, int], ...] = ()


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the bank gives of one limit, and of that limit: what is left for anyone, and what is gone for good."""

    scope: str
    kind: str
    window: str
    amount: int
    limit: int
    left: int
    gone: int = 0
    verdict: Verdict = Verdict.GRANTED
    # Seconds until it may be worth to ask again; 0 is unknown.
    wait: int = 0


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """A door is there, after its birth or the bank's, with all that it has; `note` is said back once it is kept."""

    life: str
    holdings: tuple[Holding, ...]
    note: int = 0


class Draw(msgspec.Struct, frozen=True, array_like=True, tag="draw"):
    """A door wishes for slices."""

    number: int
    wants: tuple[Want, ...]


class Returned(msgspec.Struct, frozen=True, array_like=True, tag="returned"):
    """A door gives back; `number` is the recall it answers, or 0. `note` is said back once it is kept, but 0 is not."""

    number: int
    backs: tuple[Back, ...]
    note: int = 0


class Granted(msgspec.Struct, frozen=True, array_like=True, tag="granted"):
    """The answer to a draw."""

    number: int
    grants: tuple[Grant, ...]


class Noted(msgspec.Struct, frozen=True, array_like=True, tag="noted"):
    """What the door said under this number is kept."""

    number: int


class Asked(msgspec.Struct, frozen=True, array_like=True, tag="asked"):
    """A draw takes longer: others are asked to give back."""

    number: int


class Recall(msgspec.Struct, frozen=True, array_like=True, tag="recall"):
    """The bank asks for all that is free of these limits."""

    number: int
    keys: tuple[tuple[str, str, str], ...]


class Tick(msgspec.Struct, frozen=True, array_like=True, tag="tick"):
    """The store's time, whether the store answers, and the version of keys and settings that should hold."""

    now_ns: int
    answers: bool
    version: int
    # Whether the door may use what it holds of rates; None says nothing about it.
    are_rates_usable: bool | None = None


FromDoor = Hello | Draw | Returned
FromBank = Granted | Noted | Asked | Recall | Tick

_encoder = msgspec.msgpack.Encoder()
_from_door: msgspec.msgpack.Decoder[FromDoor] = msgspec.msgpack.Decoder(FromDoor)
_from_bank: msgspec.msgpack.Decoder[FromBank] = msgspec.msgpack.Decoder(FromBank)


def encode_word(word: FromDoor | FromBank) -> bytes:
    """One word as its frame."""
    payload = _encoder.encode(word)
    return _LENGTH.pack(len(payload)) + payload


def read_from_door(payload: bytes) -> FromDoor:
    """What a door said. Raises msgspec.DecodeError."""
    return _from_door.decode(payload)


def read_from_bank(payload: bytes) -> FromBank:
    """What the bank said. Raises msgspec.DecodeError."""
    return _from_bank.decode(payload)


class Frames:
    """Cuts what arrives into payloads, however it was cut on its way."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are whole now. Raises ValueError for a length that nobody sends."""
        seen = self._seen + data
        at = 0
        while at + 4 <= len(seen):
            length = _LENGTH.unpack_from(seen, at)[0]
            if length > _LARGEST:
                raise ValueError(f"a frame of {length} bytes")
            if at + 4 + length > len(seen):
                break
            yield seen[at + 4 : at + 4 + length]
            at += 4 + length
        self._seen = seen[at:]
