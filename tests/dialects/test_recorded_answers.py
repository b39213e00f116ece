"""Every recorded answer of a real provider comes out right in every client's format, whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dialects.judging import CLIENTS, as_answer, case, events_from, judged, spoken_by
from recordings.reader.found import Answer
from recordings.reader.look import sha
from recordings.replay import Object, Recording, facts, find
from unigate.conversation import Event, Text, Thinking
from unigate.dialects.collect import Collector
from unigate.dialects.dialect import Dialect
from unigate.dialects.signatures import unwrap
from unigate.errors import Fault

ANSWERS = [str(id) for id, fact in facts().items() if fact["kind"] != "error"]

pytestmark = pytest.mark.usefixtures("recordings_there")

# What a format has no word for, and the nearest it has.
NEAREST: Mapping[str, Mapping[str, str]] = {
    "openai.chat": {"stop_sequence": "stop", "pause": "stop", "refusal": "content_filter"},
    "openai.responses": {"stop_sequence": "stop", "pause": "stop", "refusal": "content_filter"},
    "anthropic.messages": {"content_filter": "refusal"},
    "gemini.generate": {"stop_sequence": "stop", "pause": "stop", "refusal": "content_filter"},
    "gemini.generate.array": {"stop_sequence": "stop", "pause": "stop", "refusal": "content_filter"},
    "ollama.chat": {"stop_sequence": "stop", "pause": "stop", "refusal": "stop", "content_filter": "stop"},
}
# OpenAI ends a refusal like any answer and tells it apart by its field.
REFUSED: Mapping[str, str] = {
    "anthropic.messages": "refusal",
    "gemini.generate": "content_filter",
    "gemini.generate.array": "content_filter",
}
WITHOUT_REFUSALS = {"gemini.generate", "gemini.generate.array", "ollama.chat"}
WITHOUT_SIGNATURES = {"ollama.chat"}
WITHOUT_LAST_SIGNATURES = {"anthropic.messages"}
WITHOUT_IDS = {"ollama.chat"}
COUNTS: Mapping[str, tuple[str, ...]] = {
    "anthropic.messages": ("input_total", "output_total", "cached", "cache_write"),
    "ollama.chat": ("input_total", "output_total"),
    "gemini.generate": ("input_total", "output_total", "cached", "reasoning"),
    "gemini.generate.array": ("input_total", "output_total", "cached", "reasoning"),
}
ALL_COUNTS = ("input_total", "output_total", "cached", "reasoning")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_recorded_answer_says_the_same_in_every_format(name: str) -> None:
    recording = find(name)
    provider = spoken_by(recording)
    if provider is None:
        pytest.skip("its format is carried straight")
    assert provider.provider is not None
    if provider.provider.only_streams and not (recording.api == "coze.v3.chat" and recording.streamed):
        pytest.skip("it is only ever asked for streams of one kind")
    fact = facts()[name]["answer"]
    assert isinstance(fact, dict)
    try:
        events = events_from(provider, recording)
    except Fault as fault:
        assert fact["error"] is not None or fact["finish"] == "error" or not fact["ended_properly"], fault
        return
    assert fact["error"] is None and fact["ended_properly"]
    for client in told_by(provider, fact):
        for streamed in (True, False):
            told = as_answer(client, recording, events, streamed=streamed)
            found = judged(told)
            assert isinstance(found, Answer)
            with case(f"{client.name}, streamed: {streamed}"):
                assert seen(found, client, told, fact) == expected(shown_by(fact, events, client), client)


def told_by(provider: Dialect, fact: Object) -> list[Dialect]:
    """The clients that can be told it: only who offered a tool that takes free text is told that it was called."""
    has_free_text = any(call.get("arguments_are") == "text" for call in fact["tools"])
    return [client for client in CLIENTS if client is provider or not has_free_text]


def shown_by(fact: Object, events: list[Event], client: Dialect) -> Object:
    """The facts without a signature that hangs on the last text, where clients have no use for one."""
    text, thought = ([None, None, *Collector(events).answer().blocks])[-2:]
    hangs = isinstance(thought, Thinking) and not thought.text and not thought.redacted and isinstance(text, Text)
    if client.name not in WITHOUT_LAST_SIGNATURES or not hangs:
        return fact
    return {**fact, "signatures": fact["signatures"][:-1], "signatures_in_events": signatures(fact)[:-1]}


def expected(fact: Object, client: Dialect) -> Object:
    """The facts that this client's format can tell."""
    finish = str(fact["finish"])
    if fact["refusal"] and finish == "stop":
        finish = REFUSED.get(client.name, finish)
    return {
        "text": fact["text"] or (fact["refusal"] if client.name in WITHOUT_REFUSALS else None),
        "thinking": fact["thinking"] or fact.get("plan"),  # Cohere's plan for its tools is reasoning anywhere else
        "refusal": None if client.name in WITHOUT_REFUSALS else fact["refusal"],
        "tools": [call_facts(call, client) for call in fact["tools"]],
        "signatures": [] if client.name in WITHOUT_SIGNATURES else signatures(fact),
        "finish": NEAREST[client.name].get(finish, finish),
        "usage": counts(fact["usage"], client),
        "ended_properly": True,
        "error": None,
    }


def seen(found: Answer, client: Dialect, told: Recording, recorded: Object) -> Object:
    """The same facts of what the client was told; a call whose id was invented is compared without it."""
    fact = found.facts(streamed=told.streamed, status=200)
    for call, original in zip(fact["tools"], recorded["tools"], strict=False):
        call["id_present"] = original["id_present"]
    return {
        "text": fact["text"],
        "thinking": fact["thinking"],
        "refusal": fact["refusal"],
        "tools": [call_facts(call, client) for call in fact["tools"]],
        "signatures": [sha(signature) for slot in found.signatures if (signature := unwrap(slot, client.name)[0])],
        "finish": fact["finish"],
        "usage": counts(fact["usage"] if recorded["usage"] else None, client),
        "ended_properly": fact["ended_properly"],
        "error": fact["error"],
    }


def call_facts(call: Object, client: Dialect) -> Object:
    """A tool call; an id that the provider left out was invented."""
    id = call["id"] if call["id_present"] and client.name not in WITHOUT_IDS else None
    return {"id": id, "name": call["name"], "arguments": call["arguments"]}


def signatures(fact: Object) -> object:
    """Those told first, where the end of a stream tells others."""
    return fact.get("signatures_in_events") or fact["signatures"]


def counts(usage: object, client: Dialect) -> Object | None:
    """The counts this client's format has; a part that nobody told is none of it, and more than all is all of it."""
    if not isinstance(usage, dict):
        return None
    told = {name: usage[name] or 0 for name in COUNTS.get(client.name, ALL_COUNTS)}
    return {**told, "input_total": max(told["input_total"], told.get("cached", 0))}
