"""The fault proxy does to connections what it says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from harness import until
from ledger.fault_proxy import FaultProxy, Weather, fault_proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A listener that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(line: socket.socket) -> None:
        with line:
            try:
                while piece := line.recv(65536):
                    line.sendall(piece)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(line,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[FaultProxy]:
    with fault_proxy(echo) as proxy:
        yield proxy


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 2)


def said(line: socket.socket, size: int) -> bytes:
    seen = b""
    while len(seen) < size and (piece := line.recv(size - len(seen))):
        seen += piece
    return seen


def test_in_fine_weather_all_bytes_pass_and_so_does_the_end(proxy: FaultProxy) -> None:
    told = bytes(range(256)) * 2000
    with connect(proxy) as line:
        threading.Thread(target=line.sendall, args=(told,)).start()
        assert said(line, len(told)) == told
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""
    until(lambda: proxy.connections == 0, "the end of the connection")


def test_latency_delays_and_narrow_lines_take_time(proxy: FaultProxy) -> None:
    with connect(proxy) as line:
        proxy.set(up=Weather(latency_s=0.2))
        begun = time.monotonic()
        line.sendall(b"x")
        assert said(line, 1) == b"x"
        assert time.monotonic() - begun >= 0.2
        proxy.set(down=Weather(bytes_per_s=10_000, slice=100))
        begun = time.monotonic()
        line.sendall(b"y" * 2000)
        assert said(line, 2000) == b"y" * 2000
        assert time.monotonic() - begun >= 0.18


def test_a_stalled_line_gives_up_its_bytes_later_and_a_black_hole_never(proxy: FaultProxy) -> None:
    with connect(proxy) as line:
        proxy.stall()
        line.sendall(b"late")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(2)
        proxy.mend()
        assert said(line, 4) == b"late"
        proxy.black_hole()
        line.sendall(b"gone")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.recv(1)
        proxy.mend()
        with pytest.raises(ConnectionResetError):
            line.recv(1)


def test_a_line_is_reset_or_half_closed_after_so_many_bytes(proxy: FaultProxy) -> None:
    proxy.set(down=Weather(reset_after=3))
    with connect(proxy) as line:
        line.sendall(b"abcdef")
        assert said(line, 3) == b"abc"
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    proxy.set(down=Weather(half_close_after=3))
    with connect(proxy) as line:
        line.sendall(b"abcdef")
        assert said(line, 6) == b"abc"
        line.sendall(b"still read")


def test_a_refusing_proxy_lets_nobody_in_until_it_is_mended(proxy: FaultProxy) -> None:
    with connect(proxy) as line:
        line.sendall(b"x")
        assert said(line, 1) == b"x"
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.mend()
    with connect(proxy) as line:
        line.sendall(b"x")
        assert said(line, 1) == b"x"
