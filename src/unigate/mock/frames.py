"""AWS's event stream: each event in a frame with its lengths, its headers and two checksums.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html and the recorded Bedrock streams.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from zlib import crc32

from unigate.mock.ask import Event
from unigate.mock.script import Script

__all__ = ["exception", "frame", "framed", "named"]

STRING = 7
MARK = b"\n"
EXCEPTION = b"!"


def named(kind: str, payload: bytes) -> bytes:
    """An event before it is framed: its name, then its JSON."""
    return b"%b%b%b" % (kind.encode(), MARK, payload)


def exception(kind: str, payload: bytes) -> bytes:
    """An exception before it is framed."""
    return EXCEPTION + named(kind, payload)


def frame(told: bytes) -> bytes:
    """The named event as one frame."""
    kind, _, payload = told.partition(MARK)
    message, header = (b"exception", b":exception-type") if told.startswith(EXCEPTION) else (b"event", b":event-type")
    headers = (
        _header(header, kind.removeprefix(EXCEPTION))
        + _header(b":content-type", b"application/json")
        + _header(b":message-type", message)
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return body + struct.pack(">I", crc32(body))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(f">B{len(name)}sBH", len(name), name, STRING, len(value)) + value


def framed(events: Iterator[Event], wrap: Callable[[bytes], bytes], script: Script) -> Iterator[Event]:
    """The events in frames; the second one has a wrong checksum if the script wants it so."""
    for nth, (event, tokens) in enumerate(events):
        told = wrap(event)
        if script.badcrc and nth == 1:
            told = told[:-4] + bytes(byte ^ 0xFF for byte in told[-4:])
        yield told, tokens
