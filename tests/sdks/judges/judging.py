"""What every judge shares: a job comes in as a line of JSON, what the library made of the answer goes out as one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

MOST_ROUNDS = 4


@dataclass(frozen=True)
class Job:
    """One thing to do with the library: a conversation, a list of models or a count of tokens."""

    base_url: str
    key: str
    model: str
    task: str = "ask"
    stream: bool = False
    prompt: str = "Hi"
    system: str | None = None
    history: list[list[str]] = field(default_factory=list)
    image: str | None = None
    file: str | None = None
    audio: str | None = None
    tools: list[dict] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    tool_choice: str | None = None
    schema: dict | None = None
    thinking: bool = False
    limit: int | None = None
    stop: str | None = None
    logprobs: int | None = None
    n: int | None = None
    temperature: float | None = None
    seed: int | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    cache_key: str | None = None
    cache_mark: bool = False
    forgets: bool = False


@dataclass
class Verdict:
    """What the library told: of all answers together the text, of the last one why it ended and what it cost."""

    text: str = ""
    thinking: str = ""
    rounds: list[list[dict]] = field(default_factory=list)
    finish: str | None = None
    usage: dict[str, int | None] | None = None
    written: int | None = None
    citations: list[list[str | None]] = field(default_factory=list)
    quoted: list[str | None] = field(default_factory=list)
    logprobs: list[list] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    tokens: int | None = None
    dropped: str = ""
    error: dict | None = None


class Broken(Exception):
    """The library told two different things about one answer."""


def same(what: str, streamed: object, whole: object) -> None:
    """Whether the pieces of a stream make what the library itself put together."""
    if streamed != whole:
        raise Broken(f"{what}: the pieces say {streamed!r}, the whole says {whole!r}")


def passage(text: str, start: int | None, end: int | None) -> str | None:
    """What a citation says it belongs to, if it says so."""
    return text[start:end] if end else None


class Headers:
    """Remembers what the gateway said it dropped, whichever HTTP library carries the calls."""

    def __init__(self) -> None:
        self.dropped: list[str] = []

    def hear(self, response: object) -> None:
        told = response.headers.get("x-unigate-dropped")
        self.dropped += [name for name in (told or "").split(", ") if name and name not in self.dropped]


def failure(error: Exception) -> dict:
    """The library's own exception: its class, its status, its message."""
    status = next(
        (told for name in ("status_code", "code") if isinstance(told := getattr(error, name, None), int)), None
    )
    return {"kind": type(error).__name__, "status": status, "message": str(error)[:2000]}


T = TypeVar("T")


def once(make: Callable[[Job, Headers], T]) -> Callable[[Job, Headers], T]:
    """A library is made once for each address and key, as its users do: making one takes longer than a question."""
    made: dict[tuple[str, str], T] = {}

    def find(job: Job, headers: Headers) -> T:
        place = (job.base_url, job.key)
        if place not in made:
            made[place] = make(job, headers)
        return made[place]

    return find


Play = Callable[[Job, Verdict, Headers], None]


def converse(job: Job, verdict: Verdict, turn: Callable[[list[dict]], list[dict]]) -> None:
    """Asks, answers the calls of tools, asks again; `turn` gets the last calls with their results, gives the next."""
    calls: list[dict] = []
    for _ in range(MOST_ROUNDS):
        calls = turn(calls)
        if calls:
            verdict.rounds.append([{"name": call["name"], "arguments": call["arguments"]} for call in calls])
        if not calls or not job.results:
            return
        calls = [{**call, "result": job.results[call["name"]]} for call in calls]
    raise Broken(f"{MOST_ROUNDS} rounds and still calls: {calls}")


def serve(play: Play) -> None:
    """Does the jobs one after the other until there are no more."""
    headers = Headers()
    for line in sys.stdin:
        verdict = Verdict()
        headers.dropped.clear()
        try:
            play(Job(**json.loads(line)), verdict, headers)
        except Exception as error:  # whatever the library raises is the verdict
            verdict.error = failure(error)
        verdict.dropped = ", ".join(headers.dropped)
        sys.stdout.write(json.dumps(asdict(verdict)) + "\n")
        sys.stdout.flush()
