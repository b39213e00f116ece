"""Puts a known load on something running, and counts what it cost there."""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from benchmarks.formats import Format
from benchmarks.processes import BenchError, cpu_s, pss_bytes, wait_quiet
from benchmarks.subjects import ROOT, Place, Running, open_connection

Sample = dict[str, float]
SCRIPT = Path(__file__).with_name("request.lua")
SMALL_BYTES, LARGE_BYTES = 900, 200_000


@dataclass(frozen=True)
class Ask:
    """One request as bytes, where it goes, and what it must be answered with."""

    format: Format
    url: str
    body: bytes
    file: Path
    answer_text: str = ""
    answer_bytes: int = 0


def post(running: Running, url: str, body: bytes) -> bytes:
    """Asks once and returns the whole answer; anything but a 200 is an error."""
    connection = open_connection(running)
    headers = {"authorization": f"Bearer {running.key}", "content-type": "application/json"}
    try:
        connection.request("POST", url, body=body, headers=headers)
        answer = connection.getresponse()
        read = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"no answer: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchError(f"answered {answer.status}: {read[:300].decode(errors='replace')}")
    return read


def answer_text(wanted: Format, body: bytes) -> str:
    """The text of a whole answer."""
    try:
        return wanted.text(body)
    except (msgspec.DecodeError, LookupError) as error:
        raise BenchError(f"not an answer of {wanted.name}: {body[:300]!r}") from error


def check_answer(running: Running, ask: Ask) -> int:
    """Asks once through a gateway; returns the body's length if the text is the upstream's own."""
    body = post(running, ask.url, ask.body)
    if answer_text(ask.format, body) != ask.answer_text:
        raise BenchError(f"{running.name} changed the answer: {body[:300]!r}")
    return len(body)


@contextmanager
def measured_cpu(running: Running, sample: Sample) -> Generator[None]:
    """Notes for each role the CPU seconds used inside, work put off until after it included."""
    before = running.roles()
    everyone = [pid for pids in before.values() for pid in pids]
    wait_quiet(everyone)
    spent = {role: cpu_s(pids) for role, pids in before.items()}
    yield
    wait_quiet(everyone)
    if running.roles() != before:
        raise BenchError(f"{running.name}: its processes changed during the measurement")
    for role, pids in before.items():
        sample[f"cpu_s.{role}"] = cpu_s(pids) - spent[role]


def per_unit(sample: Sample, unit: str) -> Sample:
    """Adds microseconds of CPU per request or event for each role."""
    if not sample[unit]:
        raise BenchError(f"no {unit} were answered")
    costs = {
        k.replace("cpu_s.", "cpu_us."): v / sample[unit] * 1e6 for k, v in sample.items() if k.startswith("cpu_s.")
    }
    return {**sample, **costs}


def _run_client(argv: Sequence[str], deadline_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=deadline_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"the client had not ended after {deadline_s:.0f} s") from error


def run_wrk(place: Place, running: Running, ask: Ask, *, connections: int, seconds: float) -> Sample:
    """Runs wrk for some seconds; a refused, broken or short answer is an error."""
    url = f"http://127.0.0.1:{running.port}{ask.url}"
    options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(SCRIPT)]
    argv = ["taskset", "-c", str(place.cores.client), "wrk", *options, url, "--", str(ask.file), running.key]
    done = _run_client(argv, seconds + 60)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise BenchError(f"wrk: {(done.stderr or done.stdout).strip()[:300]}")
    sample = msgspec.json.decode(lines[-1], type=Sample)
    if sample["refused"] or sample["broken"]:
        raise BenchError(f"{running.name}: {sample['refused']:.0f} refused, {sample['broken']:.0f} broken answers")
    if sample["bytes"] < sample["requests"] * ask.answer_bytes:
        raise BenchError(
            f"{running.name}: {sample['bytes']:.0f} bytes are too few for {sample['requests']:.0f} answers"
        )
    return sample


def small_load(place: Place, running: Running, ask: Ask, *, connections: int, seconds: float) -> Sample:
    """What one unstreamed request costs, some connections asking without pause."""
    own = replace(ask, answer_bytes=check_answer(running, ask))
    sample: Sample = {}
    with measured_cpu(running, sample):
        sample |= run_wrk(place, running, own, connections=connections, seconds=seconds)
    return per_unit(sample, "requests")


def lone_load(place: Place, running: Running, ask: Ask, *, seconds: float) -> Sample:
    """How long one request takes when it is the only one."""
    own = replace(ask, answer_bytes=check_answer(running, ask))
    return run_wrk(place, running, own, connections=1, seconds=seconds)


@dataclass(frozen=True)
class StreamAsk:
    """A streamed request, and how its events are told apart."""

    format: Format
    url: str
    body: bytes


def stream_ask(wanted: Format, model: str) -> StreamAsk:
    """A small streamed request."""
    return StreamAsk(wanted, wanted.url(model, stream=True), wanted.body(model, size=SMALL_BYTES, stream=True))


def _streams_argv(place: Place, running: Running, ask: StreamAsk, **plan: object) -> list[str]:
    wanted = {"path": running.stream_prefix + ask.url, "body": ask.body.decode(), "mark": ask.format.mark}
    settings = {"port": running.port, "key": running.key, "end": ask.format.end, **wanted, **plan}
    return ["taskset", "-c", str(place.cores.client), sys.executable, "-m", "benchmarks.streams", json.dumps(settings)]


def _stream_report(line: str, name: str) -> dict[str, float | str]:
    report = msgspec.json.decode(line or '{"error": "no report"}', type=dict[str, float | str])
    if "error" in report:
        raise BenchError(f"{name}: {report['error']}")
    return report


def stream_load(place: Place, running: Running, ask: StreamAsk, *, seconds: float, events: int) -> Sample:
    """What one event costs, 64 streams side by side."""
    sample: Sample = {}
    with measured_cpu(running, sample):
        argv = _streams_argv(place, running, ask, mode="pace", streams=64, seconds=seconds, events=events)
        done = _run_client(argv, seconds + 120)
        report = _stream_report(done.stdout.strip(), f"{running.name} {done.stderr[-300:]}")
    sample |= {name: float(value) for name, value in report.items()}
    return per_unit(sample, "events")


@contextmanager
def held_streams(place: Place, running: Running, ask: StreamAsk, *, streams: int, events: int = 1) -> Generator[Sample]:
    """What memory a stream takes that has shown some events and waits, open inside.

    It is the carrying role's growth in pages, each by its share, over streams open.
    """
    front = running.roles()[running.front]
    wait_quiet(front)
    before = pss_bytes(front)
    argv = _streams_argv(place, running, ask, mode="hold", streams=streams, events=events)
    pipe = subprocess.PIPE
    null = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=null, text=True) as client:
        assert client.stdout is not None and client.stdin is not None
        _stream_report(client.stdout.readline(), running.name)
        wait_quiet(front)
        after = pss_bytes(front)
        grown = (after - before) / streams / 1e3
        try:
            yield {"streams": streams, "before_bytes": before, "after_bytes": after, "kb": grown}
        finally:
            client.stdin.close()
            last = client.stdout.readline()
        left = _stream_report(last, running.name)
    if left != {"still_open": streams}:
        raise BenchError(f"{running.name}: only {left} of {streams} streams were still open when measured")


def open_streams(place: Place, running: Running, ask: StreamAsk, *, streams: int) -> Sample:
    """What memory an open stream takes."""
    with held_streams(place, running, ask, streams=streams) as sample:
        return sample


def memory(running: Running) -> Sample:
    """Memory of each role at rest."""
    found = running.roles()
    wait_quiet([pid for pids in found.values() for pid in pids])
    return {f"mb.{role}": pss_bytes(pids) / 1e6 for role, pids in found.items()}


def make_ask(place: Place, upstream: Running, wanted: Format, model: str, *, size: int) -> Ask:
    """Prepares a request whose true answer is asked of the upstream itself."""
    url, body = wanted.url(model, stream=False), wanted.body(model, size=size, stream=False)
    file = place.folder / f"ask-{secrets.token_hex(3)}.json"
    file.write_bytes(body)
    return Ask(wanted, url, body, file, answer_text(wanted, post(upstream, url, body)))
