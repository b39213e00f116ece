"""Cuts a streamed body into its events: server-sent events, lines of JSON, or AWS event-stream frames."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from recordings.reader.look import parsed
from recordings.replay import Json

__all__ = ["Event", "Frame", "aws_frames", "json_lines", "server_sent_events"]


@dataclass(frozen=True)
class Event:
    """One server-sent event: its name ("" if none), its data, and the JSON the data holds."""

    name: str
    data: str
    json: Json


@dataclass(frozen=True)
class Frame:
    """One AWS event-stream message: its string headers and its payload."""

    headers: dict[str, str]
    payload: bytes


def server_sent_events(body: str) -> list[Event]:
    """All events of the body (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).

    Lines end with CRLF, LF or CR; one space after the colon belongs to the syntax; a line that begins with a colon is
    a comment. Unlike a browser, the reader keeps a last event that no blank line ends: coze.v3.chat__stream__c9e2af56
    ends so.
    """
    events: list[Event] = []
    name, data = "", list[str]()
    for line in [*re.split(r"\r\n|\n|\r", body), ""]:
        field, _, value = line.partition(":")
        if not line:
            if data:
                joined = "\n".join(data)
                events.append(Event(name, joined, parsed(joined)[1]))
            name, data = "", []
        elif field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))
    return events


def json_lines(body: str) -> list[Json]:
    """The values of newline-delimited JSON (https://docs.ollama.com/api/streaming)."""
    return [parsed(line)[1] for line in body.split("\n") if line.strip()]


def aws_frames(body: bytes) -> list[Frame]:
    """All messages of an AWS event stream, both checksums verified.

    https://smithy.io/2.0/aws/amazon-eventstream.html: total length, header length, their CRC-32, headers, payload,
    CRC-32 of all before it; numbers are big-endian; a header is name length, name, type (7 is a string), value
    length, value.
    """
    frames: list[Frame] = []
    while body:
        total, header_length, prelude_crc = struct.unpack_from(">III", body)
        message, body = body[:total], body[total:]
        if len(message) != total or zlib.crc32(message[:8]) != prelude_crc:
            raise ValueError("the frame's prelude is broken")
        if zlib.crc32(message[:-4]) != struct.unpack(">I", message[-4:])[0]:
            raise ValueError("the frame's checksum is wrong")
        frames.append(Frame(_headers(message[12 : 12 + header_length]), message[12 + header_length : -4]))
    return frames


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    while block:
        name_end = 1 + block[0]
        name, kind = block[1:name_end].decode(), block[name_end]
        if kind != 7:
            raise ValueError(f"header {name} is of type {kind}, not a string")
        (length,) = struct.unpack_from(">H", block, name_end + 1)
        value_end = name_end + 3 + length
        headers[name] = block[name_end + 3 : value_end].decode()
        block = block[value_end:]
    return headers
