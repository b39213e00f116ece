"""Starts the scripted upstream: for people with flags, for a supervisor with a line on its standard input."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
from collections.abc import Sequence

import msgspec
import uvloop

from unigate.mock.bill import Bill
from unigate.mock.server import start
from unigate.mock.settings import Settings

__all__ = ["main"]

FAULTS = ("accept-reset", "accept-close", "accept-hang", "early-answer")


class LifeLine(msgspec.Struct):
    """The line of settings that a parent writes to its child's standard input."""

    host: str = "127.0.0.1"
    port: int = 0
    key: str = ""
    ready_fd: int = -1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until interrupted, or until the parent is gone."""
    told = _parser().parse_args(arguments)
    settings = msgspec.convert(vars(told), Settings)
    ready_fd = -1
    if told.child:
        line = msgspec.json.decode(_first_line(), type=LifeLine)
        settings = msgspec.structs.replace(settings, host=line.host, port=line.port, key=line.key)
        ready_fd = line.ready_fd
        threading.Thread(target=_outlive_nobody, name="life-line", daemon=True).start()
    try:
        uvloop.run(_serve(settings, ready_fd))
    except KeyboardInterrupt:
        pass


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unigate mock", description="The scripted upstream (see docs/mock.md).")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 picks a free port")
    parser.add_argument("--key", default="", help="the credential every call must show; none by default")
    parser.add_argument("--tls-cert", default="", help="a certificate chain (PEM): serve HTTPS")
    parser.add_argument("--tls-key", default="", help="its private key (PEM)")
    parser.add_argument("--aws-access-key", default="", help="the access key whose signature Bedrock's calls must bear")
    parser.add_argument("--aws-secret-key", default="", help="its secret")
    parser.add_argument(
        "--google-token", default="", help="the token POST /token hands out and Vertex's calls must show"
    )
    parser.add_argument("--fault", default="", choices=("", *FAULTS), help="misbehave on every connection")
    parser.add_argument("--demo", action="store_true", help="say in every answer that this is a demo")
    parser.add_argument("--child", action="store_true", help="read settings from standard input, end with it")
    return parser


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return line


def _outlive_nobody() -> None:
    """End the process when standard input ends: the parent is gone, even if it was killed."""
    while os.read(0, 4096):
        pass
    os._exit(0)


async def _serve(settings: Settings, ready_fd: int) -> None:
    server, port = await start(settings, Bill())
    gc.collect()
    gc.freeze()  # what is there now stays, and looking through it again stops every answer
    if ready_fd >= 0:
        os.write(ready_fd, b'{"ready":true,"port":%d}\n' % port)
        os.close(ready_fd)
    else:
        scheme = "https" if settings.tls_cert else "http"
        sys.stdout.write(f"The scripted upstream listens on {scheme}://{settings.host}:{port}\n")
        sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    main()
