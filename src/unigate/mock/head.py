"""The head of an answer: honest, or lying about everything."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from unigate.mock.bodies import LABELS
from unigate.mock.script import Script

__all__ = ["Framing", "Top", "build", "interim"]

REASONS = {status.value: status.phrase.encode() for status in HTTPStatus} | {529: b"Overloaded", 499: b"Client Closed"}
Framing = int | None
"""The body's length in bytes; None stands for chunks, -1 for "until the connection closes"."""

LENGTHS = {
    "both": b"content-length: 7\r\ntransfer-encoding: chunked\r\n",
    "twolengths": b"content-length: 7\r\ncontent-length: 8\r\n",
    "badlength": b"content-length: -1\r\n",
    "nolength": b"",
}
LINES = {
    "nocolon": b"this line has no colon\r\n",
    "fold": b"x-folded: one\r\n two\r\n",
    "nul": b"x-nul: a\0b\r\n",
}
VERSIONS = {"http10": b"HTTP/1.0", "http2": b"HTTP/2.0"}


class Top(NamedTuple):
    """What a head tells about its answer: the status, the type, the provider's own lines, the call's number."""

    status: int
    content_type: bytes
    own: bytes
    tag: bytes


def build(top: Top, framing: Framing, script: Script) -> bytes:
    """The head's bytes, its empty last line included."""
    status = top.status
    if script.head == "garbage":
        return b"220 smtp.example.com ESMTP ready\r\n\r\n"
    lines = [
        b"%b %d %b\r\n" % (VERSIONS.get(script.head or "", b"HTTP/1.1"), status, REASONS.get(status, b"Scripted")),
        _typed(top.content_type, script),
        LENGTHS.get(script.head or "", _framed(framing)),
        b"x-request-id: %b\r\nserver: unigate-mock\r\n%b" % (top.tag, top.own),
        LINES.get(script.head or "", b""),
        *_extras(script),
        b"\r\n",
    ]
    return b"".join(lines)


def _typed(content_type: bytes, script: Script) -> bytes:
    told = content_type if script.type is None else script.type.encode()
    return b"content-type: %b\r\n" % told if told else b""


def _framed(framing: Framing) -> bytes:
    if framing is None:
        return b"transfer-encoding: chunked\r\n"
    return b"content-length: %d\r\n" % framing if framing >= 0 else b"connection: close\r\n"


def _extras(script: Script) -> list[bytes]:
    lines: list[bytes] = []
    if script.encoding is not None:
        lines.append(b"content-encoding: %b\r\n" % LABELS.get(script.encoding, b"gzip"))
    if script.retry_after is not None:
        lines.append(b"retry-after: %b\r\n" % script.retry_after.encode())
    if script.redirect is not None:
        lines.append(b"location: %b\r\n" % script.redirect.encode())
    if script.keepalive is not None and script.keepalive.how == "close":
        lines.append(b"connection: close\r\n")
    if script.bighead:
        lines.append(b"x-big: %b\r\n" % (b"h" * script.bighead))
    if script.headers is not None:
        lines += [line.strip(b" ") + b"\r\n" for line in unquote_to_bytes(script.headers).split(b";") if line]
    return lines


def interim(script: Script) -> bytes:
    """The provisional heads that come first."""
    return b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n" * script.interim
