"""The life line: the pipe a child is born with. It brings the settings, and its end means that the parent is gone."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

import msgspec

from unigate.snapshot import Settings, conceal, reveal

__all__ = ["Birth", "read_birth", "tell_ready", "watch_parent", "write_birth"]


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """What a door or the keeper is told at its start."""

    name: str
    settings: Settings
    ready_fd: int
    listen_fd: int = -1


def write_birth(birth: Birth) -> bytes:
    """The line for a child's life line; the one place where secrets are written out, and only to our own child."""
    return msgspec.json.encode(birth, enc_hook=reveal) + b"\n"


def read_birth() -> Birth:
    """What this process was told; waits for the line."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=Birth, dec_hook=conceal)


def tell_ready(birth: Birth) -> None:
    """Tells the parent that this child serves."""
    try:
        os.write(birth.ready_fd, b'{"ready":true}\n')
    except BrokenPipeError:
        pass  # the parent died meanwhile, and `watch_parent` is about to say so
    os.close(birth.ready_fd)


def watch_parent(loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
    """Calls `gone` once when the parent has ended, however it ended."""
    fd = sys.stdin.fileno()

    def look() -> None:
        if not os.read(fd, 4096):
            loop.remove_reader(fd)
            gone()

    loop.add_reader(fd, look)
