"""Every recorded request asks the same of every provider, or is refused by the name of what cannot be said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from dialects.judging import APIS, CLIENTS, PROVIDERS, case
from recordings.reader.found import Asked
from recordings.reader.judge import format_of
from recordings.reader.look import canonical, parsed
from recordings.replay import Recording, facts, find, request_bytes
from unigate.dialects.dialect import Dialect
from unigate.dialects.losses import Losses
from unigate.dialects.table import DIALECTS
from unigate.errors import Refusal
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.wire.body import decode_body

pytestmark = pytest.mark.usefixtures("recordings_there")

REQUESTS = [str(id) for id, fact in facts().items() if fact.get("request")]
# What these formats cannot be asked for; everything else must arrive.
UNASKED: Mapping[str, frozenset[str]] = {
    "openai.responses": frozenset({"stop"}),
    "cohere.chat": frozenset({"media"}),
    "ollama.chat": frozenset({"tool_choice", "media"}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_recorded_request_asks_the_same_in_every_format(name: str) -> None:
    recording = find(name)
    client = DIALECTS.get(format_of(recording).name)
    content = request_bytes(recording)
    if (
        client is None
        or client not in CLIENTS
        or content is None
        or recording.kind == "error"
        or recording.api == "ollama.generate"
    ):
        pytest.skip("no client speaks it, or it was wrong")
    for provider in PROVIDERS:
        with case(provider.name):
            check_request(recording, content, client, provider)


def check_request(recording: Recording, content: bytes, client: Dialect, provider: Dialect) -> None:
    assert client.client is not None and provider.provider is not None
    ask = client.client.read_ask(decode_body(content), "asked-model", recording.streamed)
    losses = Losses(client.client.fields, provider.name)
    target = Target(Provider(name="target", endpoints=(), key=Secret("key")), "target-model")
    try:
        written = provider.provider.write_ask(ask, target, losses)
    except Refusal as refusal:
        assert (refusal.told.status, refusal.told.param) in ((422, refusal.told.param),)
        assert refusal.told.param
        return

    if b'"search_result"' in content or b'"text/plain"' in content:
        return  # found pages and plain text files, for which formats differ, travel as documents or as text
    if provider.provider.only_streams:
        # A bot has its own instructions and takes one conversation as text, so that its words alone are compared.
        said = [text for role, text in words(format_of(recording).asked(recording)) if role == "user"]
        assert not said or said[-1] in bare("".join(texts_in(json.loads(written))))
        return
    sent = replace(recording, api=APIS[provider.name], path="", request=json.loads(written))
    unasked = UNASKED.get(provider.name, frozenset())

    assert meaning(sent, format_of(sent).asked(sent), unasked) == meaning(
        recording, format_of(recording).asked(recording), unasked
    )


def meaning(recording: Recording, asked: Asked, unasked: frozenset[str]) -> dict[str, object]:
    """What a request asks for, in words that every format shares."""
    told: dict[str, object] = {
        "system": bare("".join(asked.system)),
        "words": words(asked),
        "media": sum(sum(message.media.values()) for message in asked.messages),
        "calls": [(call.name, call.facts()["arguments"]) for call in asked.calls],
        "results": [plain(result.value if result.value is not None else result.text) for result in asked.results],
        # A tool that was called before must be on offer again, says Anthropic.
        "tools": asked.tools or sorted({call.name for call in asked.calls}),
        "stop": asked.stop,
        "temperature": None if asked.temperature is None else float(canonical(asked.temperature)),
    }
    return {name: value for name, value in told.items() if name not in unasked}


def words(asked: Asked) -> list[tuple[str, str]]:
    """Who says what, turns of the same side taken together."""
    turns: list[tuple[str, str]] = []
    for message in asked.messages:
        role = "assistant" if message.role in ("assistant", "model") else "user"
        if message.role in ("system", "developer", "tool", "function") or bare(message.text) in ("", *FILLERS):
            continue
        if turns and turns[-1][0] == role:
            turns[-1] = (role, turns[-1][1] + bare(message.text))
        else:
            turns.append((role, bare(message.text)))
    return turns


def texts_in(value: object) -> Iterator[str]:
    """All texts in a JSON value, also those in JSON that is a text itself."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts_in(one)
    elif isinstance(value, str):
        good, inner = parsed(value)
        yield from texts_in(inner) if good and isinstance(inner, dict | list) else (value,)


# What a format demands where a request has nothing: a first word, a word beside a document.
FILLERS = {".", "Seethedocument."}


def bare(text: str) -> str:
    return re.sub(r"\s+", "", text)


def plain(value: object) -> object:
    """A tool's result: its JSON if it is some, else its text; one that a format wraps is taken out."""
    if isinstance(value, str):
        good, inner = parsed(value)
        return plain(inner) if good and not isinstance(inner, str) else bare(value)
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("output", "result", "content"):
        return plain(next(iter(value.values())))
    return value
