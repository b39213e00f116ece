"""Bodies that are wrong on purpose, and content encodings that are right, wrong or malicious."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator

from unigate.mock.faults import Step, Steps
from unigate.mock.script import Script

__all__ = ["LABELS", "bomb", "encoded", "encoded_steps", "spoiled"]

HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
GZIP = 31
BLOCK = b" " * 65_536

SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "html": lambda body: HTML,
    "empty": lambda body: b"",
    "null": lambda body: b"null",
    "notjson": lambda body: b"upstream connect error or disconnect/reset before headers",
    "array": lambda body: b"[%b]" % body,
    "number": lambda body: b"42",
    "string": lambda body: b'"ok"',
    "cut": lambda body: body[: len(body) // 2],
    "badutf8": lambda body: body.replace(b'":"', b'":"\xff\xfe', 1),
    "deep": lambda body: b"[" * 100_000 + b"]" * 100_000,
    "double": lambda body: body + body,
}

ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "gzip_members": lambda body: gzip.compress(body[: len(body) // 2]) + gzip.compress(body[len(body) // 2 :]),
    "gzip_cut": lambda body: gzip.compress(body)[:-9],
    "gzip_bad": lambda body: gzip.compress(body)[:-8] + b"\0\0\0\0\0\0\0\0",
}

LABELS = {"deflate": b"deflate", "br_label": b"br", "zstd_label": b"zstd"}
"""The content-encoding each encoding claims; the others claim gzip."""

CHARS = {"badutf8": b"\xff\xfe\xc3", "surrogate": b"\\ud800", "nul": b"\\u0000"}


def spoiled(body: bytes, script: Script) -> bytes:
    """The body as the script spoils it."""
    if script.body:
        body = SPOILED[script.body](body)
    return _characters(body, script)


def _characters(body: bytes, script: Script) -> bytes:
    if script.chars == "escaped":
        return _escaped(body.decode("utf-8", "replace"))
    odd = CHARS.get(script.chars or "")
    if odd is None:
        return body
    for field in (b'"content":"', b'"text":"', b'"delta":"'):
        body = body.replace(field, field + odd)
    return body


def _escaped(text: str) -> bytes:
    return b"".join([_escape(char) for char in text])


def _escape(char: str) -> bytes:
    if char.isascii():
        return char.encode()
    units = char.encode("utf-16-be")
    return b"".join([b"\\u" + units[at : at + 2].hex().encode() for at in range(0, len(units), 2)])


def encoded(body: bytes, script: Script) -> bytes:
    """The whole body in the content encoding that the script asks for."""
    encode = ENCODED.get(script.encoding or "")
    return encode(body) if encode else body


def encoded_steps(steps: Steps, script: Script) -> Steps:
    """The steps of a stream in the content encoding that the script asks for, each one decodable at once."""
    if script.encoding not in ENCODED:
        yield from steps
        return
    packer = zlib.compressobj(wbits=15 if script.encoding == "deflate" else GZIP)
    last = Step(b"")
    for step in steps:
        yield from (last,) if last.payload else ()
        last = step._replace(payload=packer.compress(step.payload) + packer.flush(zlib.Z_SYNC_FLUSH))
    tail = b"" if script.encoding == "gzip_cut" else packer.flush()
    yield last._replace(payload=last.payload + tail)


def bomb(body: bytes, script: Script) -> Iterator[bytes]:
    """The body in gzip, followed by so many bytes of white space that shrink to a thousandth."""
    packer = zlib.compressobj(9, wbits=GZIP)
    yield packer.compress(body)
    for _ in range(script.bomb // len(BLOCK)):
        piece = packer.compress(BLOCK)
        if piece:
            yield piece
    yield packer.flush()
