"""The thread a demo child hangs by: settings come in on stdin, and its end is the end of the child."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from typing import Literal, NoReturn

import msgspec

__all__ = ["Settings", "follow_parent", "refuse", "say_ready"]

_STDIN = 0
_LONGEST_LINE = 65536


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one line a demo child is told: where to listen (loopback only), its key, where to say it is ready."""

    key: str
    ready_fd: int
    host: Literal["127.0.0.1"] = "127.0.0.1"
    port: int = 0
    debug: bool = False


def follow_parent() -> Settings:
    """Reads the settings from stdin, and from then on ends this process at once when stdin ends."""
    # Ctrl-C reaches the whole terminal group; the parent decides when its children stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        settings = msgspec.json.decode(_first_line(), type=Settings)
    except msgspec.DecodeError as error:
        refuse(f"the settings line on stdin cannot be used: {error}")
    _have_the_kernel_watch()
    threading.Thread(target=_end_with_parent, name="life-line", daemon=True).start()
    return settings


def say_ready(settings: Settings, port: int) -> None:
    """Tells the parent, once, that requests to this port are answered."""
    with os.fdopen(settings.ready_fd, "w", encoding="ascii") as ready:
        ready.write(json.dumps({"ready": True, "port": port}) + "\n")


def refuse(reason: str) -> NoReturn:
    """Ends this process before it served, with the reason as one line on stderr."""
    sys.stderr.write(f"{reason}\n")
    sys.stderr.flush()
    os._exit(1)


def _first_line() -> bytes:
    # Unbuffered on purpose: what follows the line belongs to the thread that waits for the end.
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
        part = os.read(_STDIN, 1)
        if not part:
            break
        line += part
    return line


def _have_the_kernel_watch() -> None:
    # A loading model keeps Python's lock for seconds, so no thread of ours would get its turn: the end of stdin also
    # raises SIGIO, which nothing handles and Linux therefore ends us by. Elsewhere the signal is ignored.
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(_STDIN, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_STDIN, fcntl.F_SETFL, fcntl.fcntl(_STDIN, fcntl.F_GETFL) | os.O_ASYNC)


def _end_with_parent() -> NoReturn:
    while os.read(_STDIN, 1024):
        pass
    os._exit(0)  # no destructors: the model's own threads would be waited for
