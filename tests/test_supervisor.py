"""The processes of one gateway: whoever of them is killed, calls go on and no record is lost or told twice."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateways import ADMIN_KEY, CLIENT_KEY, CONFIG, UPSTREAM_KEY, Gateway, free_port, kill_group, start_gateway
from harness import until
from unigate.supervisor import Child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
KEYS = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "ADMIN_KEY": ADMIN_KEY}
# So long may a busy machine need to load the keeper's pages.
SLOW_S = 7.0


@contextmanager
def running(folder: Path, upstream: str, *arguments: str, drain: int = 2) -> Iterator[Gateway]:
    """A gateway in a folder of its own, and all its processes ended at the end."""
    port = free_port()
    text = CONFIG.format(port=port, upstream=upstream).replace("drain: 2", f"drain: {drain}")
    (folder / "unigate.yaml").write_text(text)
    gateway = start_gateway(folder, *arguments, port=port, environment=KEYS)
    try:
        yield gateway
    finally:
        for pid in children(gateway).values():
            os.kill(pid, signal.SIGCONT)
        kill_group(gateway.process)


def children(gateway: Gateway) -> dict[str, int]:
    """The living children by name: `door-0`, `keeper`."""
    found: dict[str, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(fields[1]) == gateway.process.pid and fields[0] != "Z" and b"unigate.app" in words:
            role = words[words.index(b"unigate.app") + 1].decode()
            name = role if role == "keeper" else f"door-{sum(one.startswith('door') for one in found)}"
            found[name] = int(path.name)
    return found


def call(gateway: Gateway, model: str = "m", path: str = "/v1/chat/completions") -> tuple[int, str]:
    """Status and request id of one call on a connection of its own; 0 while nobody answers."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]})
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)) as connection:
        try:
            connection.request("POST", path, body, {"authorization": f"Bearer {CLIENT_KEY}"})
            answer = connection.getresponse()
            answer.read()
        except OSError:
            return 0, ""
        return answer.status, answer.headers["x-request-id"]


def keys(gateway: Gateway) -> int:
    """The status of a look at the keys, which the keeper answers."""
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)) as connection:
        connection.request("GET", "/admin/v1/keys", headers={"authorization": f"Bearer {ADMIN_KEY}"})
        return connection.getresponse().status


def logged(gateway: Gateway) -> list[str]:
    path = gateway.folder / "logs" / "proxy.log"
    return [json.loads(line)["request_id"] for line in path.read_text().splitlines()] if path.exists() else []


def test_a_killed_door_is_replaced_and_its_records_are_kept(upstream: str, tmp_path: Path) -> None:
    with running(tmp_path, upstream) as gateway:
        before = [call(gateway) for _ in range(20)]
        door = children(gateway)["door-0"]
        os.kill(door, signal.SIGKILL)
        after = until(lambda: (told := call(gateway))[0] == 200 and told, "a new door")
        assert children(gateway)["door-0"] != door
        ids = [id for status, id in [*before, after] if status == 200]
        assert len(ids) == 21
        until(lambda: set(ids) <= set(logged(gateway)), "all records")
        assert len(logged(gateway)) == len(set(logged(gateway)))


def test_the_first_visitor_waits_for_a_keeper_that_takes_its_time(upstream: str, tmp_path: Path) -> None:
    with running(tmp_path, upstream) as gateway, ThreadPoolExecutor(1) as visitor:
        keeper = until(lambda: children(gateway).get("keeper"), "the keeper")
        os.kill(keeper, signal.SIGSTOP)
        status = visitor.submit(keys, gateway)
        time.sleep(SLOW_S)
        os.kill(keeper, signal.SIGCONT)
        assert status.result() == 200


def test_calls_go_on_without_the_keeper_and_their_records_follow(upstream: str, tmp_path: Path) -> None:
    with running(tmp_path, upstream) as gateway:
        keeper = until(lambda: children(gateway).get("keeper"), "the keeper")
        assert keys(gateway) == 200
        os.kill(keeper, signal.SIGKILL)
        told = [call(gateway) for _ in range(20)]
        assert [status for status, _ in told] == [200] * 20
        assert keys(gateway) == 200  # waits for the one that is being started
        assert children(gateway)["keeper"] != keeper
        ids = {id for _, id in told}
        until(lambda: ids <= set(logged(gateway)), "all records")
        assert len(logged(gateway)) == len(set(logged(gateway)))


def test_several_doors_share_the_port(upstream: str, tmp_path: Path) -> None:
    with running(tmp_path, upstream, "--workers", "2") as gateway:
        until(lambda: {"door-0", "door-1"} <= set(children(gateway)), "two doors")
        prefixes: set[str] = set()

        def both_answered() -> bool:
            status, id = call(gateway)
            assert status == 200
            prefixes.add(id[:12])  # each life of a door numbers its requests under a prefix of its own
            return len(prefixes) == 2

        until(both_answered, "an answer of each door")
        os.kill(children(gateway)["door-0"], signal.SIGKILL)
        until(lambda: call(gateway)[0] == 200, "the other door")


def test_a_second_sigterm_stops_at_once(upstream: str, tmp_path: Path) -> None:
    with running(tmp_path, upstream, drain=60) as gateway:
        keeper = until(lambda: children(gateway).get("keeper"), "the keeper")
        assert keys(gateway) == 200
        with socket.create_connection(("127.0.0.1", gateway.port)) as waiting:
            body = json.dumps({"model": "script:stall=head,text=second", "messages": []}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {CLIENT_KEY}\r\n"
            waiting.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            until(lambda: journal_of(gateway), "the call")
            os.kill(keeper, signal.SIGSTOP)  # not even a keeper that does not answer may hold it up
            gateway.process.send_signal(signal.SIGTERM)
            until(lambda: "Stopping" in gateway.output.read_text(), "the first signal")
            with pytest.raises(subprocess.TimeoutExpired):
                gateway.process.wait(1.0)
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(20.0) == 0  # a third of the drain
        assert children(gateway) == {}


def journal_of(gateway: Gateway) -> bool:
    """Whether a call has been written down."""
    return any(b"script:stall" in path.read_bytes() for path in gateway.data.glob("journal/*/*.segment"))


def test_a_child_that_cannot_be_born_just_now_is_born_later() -> None:
    async def play() -> bool:
        born = asyncio.Event()

        def line(ready_fd: int) -> bytes:
            born.set()
            return b"{}"

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # no descriptor is left
        child = Child("child", ("json.tool",), line)
        living = asyncio.create_task(child.live())
        await asyncio.sleep(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        async with asyncio.timeout(5.0):
            await asyncio.wait((living, asyncio.create_task(born.wait())), return_when=asyncio.FIRST_COMPLETED)
        await child.stop(2.0)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        return born.is_set()

    assert asyncio.run(play())


def test_children_share_a_session_so_that_their_niceness_counts(upstream: str, tmp_path: Path) -> None:
    with running(tmp_path, upstream) as gateway:
        until(lambda: "keeper" in children(gateway))
        pids = children(gateway).values()

        assert {os.getsid(pid) for pid in pids} == {os.getsid(gateway.process.pid)}
        assert [os.getpgid(pid) for pid in pids] == list(pids)
