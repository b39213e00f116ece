"""Every part of an ask is written for the target, or dropped and listed, or refused by name: never silently gone."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec
import pytest

from dialects.judging import CLIENTS, PROVIDERS
from unigate.conversation import (
    Ask,
    Audio,
    Block,
    Data,
    Document,
    FileRef,
    Foreign,
    Format,
    HostedTool,
    Image,
    Message,
    Refused,
    Role,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.dialect import Dialect
from unigate.dialects.losses import Fields, Losses, hint, meaning
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Target

TARGET = Target(Provider(name="target", endpoints=(), key=Secret("key")), "target-model")
SIGN = "SENTINEL"
BASE64 = base64.b64encode(b"SENTINEL bytes, SENTINEL bytes").decode()
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"SENTINEL":{"type":"string"}}}')
TOOL = Tool("a_tool", "does it", msgspec.Raw(b'{"type":"object","properties":{}}'))


def ask(*blocks: Block, **more: object) -> Ask:
    messages = (Message(Role.USER, blocks or (Text("hello"),)),)
    return msgspec.structs.replace(Ask(model="m", messages=messages, settings={}), **more)


def setting(part: Part, value: str) -> Ask:
    return ask(settings={part: msgspec.Raw(value.encode())})


def turns(*assistant: Block, after: tuple[Block, ...] = (Text("go on"),)) -> Ask:
    messages = (
        Message(Role.USER, (Text("hello"),)),
        Message(Role.ASSISTANT, assistant),
        Message(Role.USER, after),
    )
    return Ask(model="m", messages=messages, tools=(TOOL,), settings={})


def result(*blocks: Block, is_error: bool = False) -> Ask:
    return turns(ToolUse("call_1", "a_tool", "{}"), after=(ToolResult("call_1", blocks, is_error, "a_tool"),))


# Each part alone, and what shows in the request that it was carried.
PROBES: Mapping[Part, tuple[Ask, tuple[str, ...]]] = {
    Part.TEMPERATURE: (setting(Part.TEMPERATURE, "0.12345"), ("0.12345",)),
    Part.TOP_P: (setting(Part.TOP_P, "0.12345"), ("0.12345",)),
    Part.TOP_K: (setting(Part.TOP_K, "12345"), ("12345",)),
    Part.SEED: (setting(Part.SEED, "12345"), ("12345",)),
    Part.FREQUENCY_PENALTY: (setting(Part.FREQUENCY_PENALTY, "0.12345"), ("0.12345",)),
    Part.PRESENCE_PENALTY: (setting(Part.PRESENCE_PENALTY, "0.12345"), ("0.12345",)),
    Part.LOGIT_BIAS: (setting(Part.LOGIT_BIAS, '{"12345":5}'), ("12345",)),
    Part.LOGPROBS: (setting(Part.LOGPROBS, "true"), ("logprobs", "Logprobs")),
    Part.TOP_LOGPROBS: (
        ask(settings={Part.LOGPROBS: msgspec.Raw(b"true"), Part.TOP_LOGPROBS: msgspec.Raw(b"3")}),
        ('"top_logprobs":3', '"logprobs":3'),
    ),
    Part.N: (setting(Part.N, "3"), ('"n":3', '"candidateCount":3')),
    Part.METADATA: (setting(Part.METADATA, '{"SENTINEL":"x"}'), (SIGN,)),
    Part.STORE: (setting(Part.STORE, "true"), ('"store":true', '"auto_save_history":true')),
    Part.SERVICE_TIER: (setting(Part.SERVICE_TIER, '"flex"'), ("flex",)),
    Part.CACHE_KEY: (setting(Part.CACHE_KEY, '"SENTINEL"'), (SIGN,)),
    Part.VERBOSITY: (setting(Part.VERBOSITY, '"low"'), ('"verbosity":"low"',)),
    Part.PREDICTION: (setting(Part.PREDICTION, '{"type":"content","content":"SENTINEL"}'), (SIGN,)),
    Part.MAX_TOKENS: (ask(max_tokens=12345), ("12345",)),
    Part.STOP: (ask(stop=(SIGN,)), (SIGN,)),
    Part.USER: (ask(user=SIGN), (SIGN,)),
    Part.EFFORT: (ask(effort="high"), ("high", "udget", "think", "HIGH", "token_budget")),
    Part.THINKING_BUDGET: (ask(thinking_budget=2345), ("2345", "effort", "think", "level")),
    Part.FORMAT: (ask(format=Format()), ("json",)),
    Part.FORMAT_SCHEMA: (ask(format=Format(SCHEMA, "name")), (SIGN,)),
    Part.PARALLEL: (ask(tools=(TOOL,), parallel=False), ("parallel",)),
    Part.TOOLS: (ask(tools=(Tool(SIGN, "d", SCHEMA),)), (SIGN,)),
    Part.HOSTED_TOOLS: (ask(hosted_tools=(HostedTool("nobody", SIGN, msgspec.Raw(b'{"SENTINEL":1}')),)), (SIGN,)),
    Part.STRICT_TOOLS: (
        ask(tools=(msgspec.structs.replace(TOOL, strict=True),)),
        ('"strict":true', "strict_tools", "VALIDATED"),
    ),
    Part.TOOL_CHOICE: (
        ask(tools=(TOOL,), tool_choice=ToolChoice("required")),
        ("required", "REQUIRED", '"any"', "ANY"),
    ),
    Part.CACHE: (ask(Text("hello", "")), ("cache",)),
    Part.IMAGES: (ask(Image(Data("image/png", BASE64))), (BASE64,)),
    Part.IMAGE_URLS: (ask(Image(Url("https://example.com/SENTINEL.png"))), (SIGN,)),
    Part.IMAGE_DETAIL: (ask(Image(Data("image/png", BASE64), "high")), ('"high"', "HIGH")),
    Part.DOCUMENTS: (ask(Document(Data("application/pdf", BASE64), "a.pdf")), (BASE64,)),
    Part.DOCUMENT_URLS: (ask(Document(Url("https://example.com/SENTINEL.pdf"))), (SIGN,)),
    Part.DOCUMENT_CITATIONS: (ask(Document(Data("application/pdf", BASE64), "a.pdf", cited=True)), ("citations",)),
    Part.AUDIO: (ask(Audio(Data("audio/wav", BASE64))), (BASE64,)),
    Part.VIDEO: (ask(Video(Data("video/mp4", BASE64))), (BASE64,)),
    Part.FILE_IDS: (ask(Document(FileRef(SIGN, "nobody"))), (SIGN,)),
    Part.TOOL_ERRORS: (result(Text("bad"), is_error=True), ("error",)),
    Part.TOOL_IMAGES: (result(Image(Data("image/png", BASE64))), (BASE64,)),
    Part.THINKING: (turns(Thinking(SIGN, SIGN, "nobody"), Text("x")), (SIGN,)),
    Part.REFUSALS: (turns(Refused(SIGN)), (SIGN,)),
    Part.FOREIGN: (turns(Foreign("nobody", SIGN, msgspec.Raw(b'{"a":1}')), Text("x")), (SIGN,)),
    Part.NAMES: (
        Ask(model="m", messages=(Message(Role.USER, (Text("hello"),), SIGN),), settings={}),
        (SIGN,),
    ),
}
# These are told apart by whole calls elsewhere: custom tools become functions before a writer sees them, the others
# are in `Ask.others`, which Losses judges before any writer.
ELSEWHERE = {Part.CUSTOM_TOOLS, Part.AUDIO_OUTPUT, Part.STATE, Part.OTHER}
HINTS: Fields = {f"named {part.value}": hint(part) for part in Part}
MEANINGS: Fields = {f"named {part.value}": meaning(part) for part in Part}


def test_every_part_has_its_probe() -> None:
    assert set(PROBES) | ELSEWHERE == set(Part)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.name)
@pytest.mark.parametrize("part", PROBES)
def test_a_part_is_carried_or_its_loss_is_told(part: Part, provider: Dialect) -> None:
    assert provider.provider is not None
    wanted, signs = PROBES[part]
    losses = Losses(HINTS, provider.name)

    written = provider.provider.write_ask(msgspec.structs.replace(wanted), TARGET, losses).decode()

    is_carried = any(sign in written for sign in signs)
    assert is_carried or losses.dropped


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.name)
@pytest.mark.parametrize("part", PROBES)
def test_a_part_with_meaning_is_carried_or_refused_by_name(part: Part, provider: Dialect) -> None:
    assert provider.provider is not None
    wanted, signs = PROBES[part]
    try:
        written = provider.provider.write_ask(msgspec.structs.replace(wanted), TARGET, Losses(MEANINGS, "it")).decode()
    except Refusal as refusal:
        assert refusal.told.status == 422
        assert refusal.told.param in (*MEANINGS, SIGN)  # a hosted tool is named by its own word
    else:
        # A bot's length is set where it is made, and Anthropic's clients must name one: it is told as dropped.
        is_bot = part is Part.MAX_TOKENS and provider.provider.only_streams
        assert is_bot or any(sign in written for sign in signs)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.name)
def test_what_nobody_knows_is_dropped_and_listed(provider: Dialect) -> None:
    assert provider.provider is not None
    losses = Losses({"own_field": hint(Part.OTHER)}, provider.name)

    provider.provider.write_ask(ask(unknown=("messages[].weight",), others=("own_field",)), TARGET, losses)

    assert {"messages[].weight", "own_field"} <= set(losses.dropped)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda one: one.name)
def test_each_part_has_a_name_and_a_weight_in_each_table(client: Dialect) -> None:
    assert client.client is not None
    told = {field.part for field in client.client.fields.values()}

    assert told <= set(Part)
    assert Part.TOOLS in told
