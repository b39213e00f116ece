"""Puts a known load on something running, and counts what it cost there."""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.processes import BenchError, cpu_s, pss_bytes, wait_quiet
from benchmarks.subjects import CHAT, ROOT, Place, Running, open_connection

Sample = dict[str, float]
SCRIPT = Path(__file__).with_name("request.lua")


@dataclass(frozen=True)
class Ask:
    """One chat request as bytes, and what it must be answered with."""

    body: bytes
    file: Path
    answer_text: str = ""
    answer_bytes: int = 0


def chat_body(model: str, *, size: int, stream: bool = False) -> bytes:
    """A chat request of about the wanted size."""
    words = "Explain in plain words what a gateway does for a language model. "
    filler = {"role": "user", "content": ""}
    request = {
        "model": model,
        "messages": [{"role": "system", "content": "You are a helpful assistant."}, filler],
        "temperature": 0.7,
        "max_tokens": 512,
        **({"stream": True, "stream_options": {"include_usage": True}} if stream else {}),
    }
    room = max(0, size - len(json.dumps(request)))
    filler["content"] = (words * (room // len(words) + 1))[:room]
    return json.dumps(request).encode()


def post(running: Running, body: bytes) -> bytes:
    """Asks once and returns the whole answer; anything but a 200 is an error."""
    connection = open_connection(running)
    headers = {"authorization": f"Bearer {running.key}", "content-type": "application/json"}
    try:
        connection.request("POST", CHAT, body=body, headers=headers)
        answer = connection.getresponse()
        read = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"no answer: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchError(f"answered {answer.status}: {read[:300].decode(errors='replace')}")
    return read


class Message(msgspec.Struct):
    content: str


class Choice(msgspec.Struct):
    message: Message


class Answer(msgspec.Struct):
    """The part of a chat answer that must arrive unharmed."""

    choices: list[Choice]


def answer_text(body: bytes) -> str:
    """The text of a whole chat answer."""
    try:
        return msgspec.json.decode(body, type=Answer).choices[0].message.content
    except (msgspec.DecodeError, IndexError) as error:
        raise BenchError(f"not a chat answer: {body[:300]!r}") from error


def check_answer(running: Running, ask: Ask) -> int:
    """Asks once through a gateway; returns the body's length if the text is the upstream's own."""
    body = post(running, ask.body)
    if answer_text(body) != ask.answer_text:
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
    url = f"http://127.0.0.1:{running.port}{CHAT}"
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
    own = Ask(ask.body, ask.file, ask.answer_text, check_answer(running, ask))
    sample: Sample = {}
    with measured_cpu(running, sample):
        sample |= run_wrk(place, running, own, connections=connections, seconds=seconds)
    return per_unit(sample, "requests")


def lone_load(place: Place, running: Running, ask: Ask, *, seconds: float) -> Sample:
    """How long one request takes when it is the only one."""
    own = Ask(ask.body, ask.file, ask.answer_text, check_answer(running, ask))
    return run_wrk(place, running, own, connections=1, seconds=seconds)


def _streams_argv(place: Place, running: Running, **plan: object) -> list[str]:
    settings = {"port": running.port, "path": running.stream_path, "key": running.key, **plan}
    return ["taskset", "-c", str(place.cores.client), sys.executable, "-m", "benchmarks.streams", json.dumps(settings)]


def _stream_report(line: str, name: str) -> dict[str, float | str]:
    report = msgspec.json.decode(line or '{"error": "no report"}', type=dict[str, float | str])
    if "error" in report:
        raise BenchError(f"{name}: {report['error']}")
    return report


def stream_load(place: Place, running: Running, body: bytes, *, seconds: float, events: int) -> Sample:
    """What one event costs, 64 streams side by side."""
    plan = {"mode": "pace", "body": body.decode(), "streams": 64, "seconds": seconds, "events": events}
    sample: Sample = {}
    with measured_cpu(running, sample):
        argv = _streams_argv(place, running, **plan)
        done = _run_client(argv, seconds + 120)
        report = _stream_report(done.stdout.strip(), f"{running.name} {done.stderr[-300:]}")
    sample |= {name: float(value) for name, value in report.items()}
    return per_unit(sample, "events")


def open_streams(place: Place, running: Running, body: bytes, *, streams: int) -> Sample:
    """What memory an open stream takes: grown shares of the carrying role's pages over streams open."""
    front = running.roles()[running.front]
    wait_quiet(front)
    before = pss_bytes(front)
    argv = _streams_argv(place, running, mode="hold", body=body.decode(), streams=streams)
    pipe = subprocess.PIPE
    null = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=null, text=True) as client:
        assert client.stdout is not None and client.stdin is not None
        _stream_report(client.stdout.readline(), running.name)
        wait_quiet(front)
        after = pss_bytes(front)
        client.stdin.close()
        left = _stream_report(client.stdout.readline(), running.name)
    if left != {"still_open": streams}:
        raise BenchError(f"{running.name}: only {left} of {streams} streams were still open when measured")
    return {"streams": streams, "before_bytes": before, "after_bytes": after, "kb": (after - before) / streams / 1e3}


def memory(running: Running) -> Sample:
    """Memory of each role at rest."""
    found = running.roles()
    wait_quiet([pid for pids in found.values() for pid in pids])
    return {f"mb.{role}": pss_bytes(pids) / 1e6 for role, pids in found.items()}


def make_ask(place: Place, upstream: Running, body: bytes) -> Ask:
    """Prepares a request whose true answer is asked of the upstream itself."""
    file = place.folder / f"ask-{secrets.token_hex(3)}.json"
    file.write_bytes(body)
    return Ask(body, file, answer_text(post(upstream, body)))
