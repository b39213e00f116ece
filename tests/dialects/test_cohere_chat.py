"""Cohere's chat, spoken to its models: asks written, answers read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec
import pytest

from unigate.conversation import (
    Answer,
    Ask,
    Asked,
    Audio,
    Begin,
    Block,
    Citation,
    Cited,
    Close,
    Data,
    Delta,
    Document,
    Event,
    FileRef,
    Foreign,
    Format,
    HostedTool,
    Image,
    Logprob,
    Message,
    Open,
    Part,
    Reason,
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
from unigate.dialects.cohere_chat.answer_reader import CohereReader
from unigate.dialects.cohere_chat.dialect import COHERE
from unigate.dialects.cohere_chat.request_writer import write_ask
from unigate.dialects.cohere_chat.turns import OWN
from unigate.dialects.collect import Collector
from unigate.dialects.losses import Losses, hint
from unigate.errors import Fault, Kind
from unigate.secret import Secret
from unigate.target import Provider, Quirks, Target
from unigate.usage import Usage

ASKED = Asked("req_0123456789abcdef", "asked", 1_760_000_000)
HI = (Message(Role.USER, (Text("hi"),)),)
SCHEMA = msgspec.Raw(b'{"type":"object"}')
LOOK = Tool("look", "Looks.", SCHEMA)
FIND = Tool("find", strict=True)


def written(ask: Ask, effort_models: str = "") -> tuple[dict[str, object], tuple[str, ...]]:
    """The body that is sent, and the parts of the ask that are not in it."""
    provider = Provider(name="p", endpoints=(), key=Secret("k"), quirks=Quirks(effort_models=effort_models))
    losses = Losses({part.value: hint(part) for part in Part}, "here")
    body: dict[str, object] = json.loads(write_ask(ask, Target(provider, "command-x"), losses))
    return body, losses.dropped


def messages(*turns: Message) -> object:
    return written(Ask(model="m", messages=turns))[0]["messages"]


def lost(block: Block, role: Role = Role.USER) -> tuple[str, ...]:
    return written(Ask(model="m", messages=(Message(role, (block,)),)))[1]


def body(**fields: object) -> dict[str, object]:
    ask = Ask(model="m", messages=HI)
    for name, value in fields.items():
        setattr(ask, name, value)
    return written(ask)[0]


# --- asks


def test_the_least_that_can_be_asked() -> None:
    assert written(Ask(model="m", messages=HI)) == (
        {"model": "command-x", "messages": [{"role": "user", "content": "hi"}], "stream": False},
        (),
    )


def test_a_loop_of_tools_keeps_its_order() -> None:
    found = messages(
        Message(Role.DEVELOPER, (Text("Be brief."),)),
        *HI,
        Message(Role.ASSISTANT, (Thinking("Hm.", origin=OWN), Text("I look."), ToolUse("a", "look", ""))),
        Message(Role.USER, (ToolResult("a", (Text("x"), Text("y"))), Text("Go on."))),
        Message(Role.ASSISTANT, (Refused("No."),)),
    )
    assert found == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "I look."}],
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "x\ny"},
        {"role": "user", "content": "Go on."},
        {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
    ]


def test_pictures_and_texts() -> None:
    blocks = (Image(Data("image/png", "aGk="), "low"), Document(Data("text/plain", "aGk="), "a.txt"))
    assert messages(Message(Role.USER, blocks)) == [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
                {"type": "text", "text": "a.txt\n\nhi"},
            ],
        }
    ]


def test_a_picture_in_a_result_is_shown_after_it() -> None:
    assert messages(Message(Role.USER, (ToolResult("a", (Image(Url("https://x/y.png")),)),))) == [
        {"role": "tool", "tool_call_id": "a", "content": "The result is shown in the next message."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
    ]


def test_a_text_to_be_cited_stands_beside_the_conversation() -> None:
    cited = Document(Data("text/plain", "aGk="), "a.txt", cited=True)
    found, _ = written(Ask(model="m", messages=(Message(Role.USER, (cited, Text("What?"))),)))
    assert found["documents"] == [{"id": "0", "data": {"title": "a.txt", "text": "hi"}}]
    assert found["messages"] == [{"role": "user", "content": "What?"}]


@pytest.mark.parametrize(
    ("block", "role", "part"),
    [
        (Thinking("Hm.", "sig", "anthropic.messages"), Role.ASSISTANT, Part.THINKING),
        (Foreign("anthropic.messages", "server_tool_use", SCHEMA), Role.ASSISTANT, Part.FOREIGN),
        (Image(Data("image/png", "aGk=")), Role.ASSISTANT, Part.IMAGES),
        (Image(FileRef("file-1", "openai.chat")), Role.USER, Part.FILE_IDS),
        (Document(FileRef("file-1", "openai.chat")), Role.USER, Part.FILE_IDS),
        (Document(Url("https://x")), Role.USER, Part.DOCUMENT_URLS),
        (Document(Data("application/pdf", "aGk=")), Role.USER, Part.DOCUMENTS),
        (Audio(Url("https://x")), Role.USER, Part.AUDIO),
        (Video(Url("https://x")), Role.USER, Part.VIDEO),
        (Text("hi", "5m"), Role.USER, Part.CACHE),
        (ToolResult("a", (Text("x"),), is_error=True), Role.USER, Part.TOOL_ERRORS),
    ],
)
def test_what_this_format_cannot_say_is_told(block: Block, role: Role, part: Part) -> None:
    assert lost(block, role) == (part.value,)


def test_a_participants_name_and_the_user_are_told() -> None:
    ask = Ask(model="m", messages=(Message(Role.USER, (Text("hi"),), "eve"),), user="u")
    assert written(ask)[1] == ("names", "user")


@pytest.mark.parametrize(
    ("choice", "names", "said"),
    [
        (None, ["look", "find"], None),
        (ToolChoice("auto"), ["look", "find"], None),
        (ToolChoice("none"), ["look", "find"], "NONE"),
        (ToolChoice("required"), ["look", "find"], "REQUIRED"),
        (ToolChoice("named", ("find",)), ["find"], "REQUIRED"),
        (ToolChoice("auto", ("look",)), ["look"], None),
    ],
)
def test_every_choice_of_a_tool(choice: ToolChoice | None, names: list[str], said: str | None) -> None:
    found = body(tools=(LOOK, FIND), tool_choice=choice)
    offered = re.findall(r'"name": "(\w+)"', json.dumps(found["tools"]))
    assert (offered, found.get("tool_choice")) == (names, said)


def test_tools_are_strict_together_or_not_at_all() -> None:
    assert body(tools=(FIND,))["strict_tools"] is True
    assert written(Ask(model="m", messages=HI, tools=(LOOK, FIND), parallel=False))[1] == ("parallel", "strict_tools")


def test_a_hosted_tool_is_told() -> None:
    hosted = HostedTool("openai.responses", "web_search", SCHEMA)
    assert written(Ask(model="m", messages=HI, hosted_tools=(hosted,)))[1] == ("web_search",)


def test_the_form_of_the_text_its_stops_and_its_length() -> None:
    found = body(format=Format(SCHEMA, "n"), stop=("x",), max_tokens=9, streamed=True)
    assert found["response_format"] == {"type": "json_object", "json_schema": {"type": "object"}}
    assert (found["stop_sequences"], found["max_tokens"], found["stream"]) == (["x"], 9, True)
    assert body(format=Format())["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"effort": "none"}, {"type": "disabled"}),
        ({"effort": "low"}, {"type": "enabled", "token_budget": 2048}),
        ({"thinking_budget": 500}, {"type": "enabled", "token_budget": 500}),
        ({"thinking_budget": -1}, {"type": "enabled"}),
        ({}, None),
    ],
)
def test_thinking_is_measured_in_tokens(fields: dict[str, object], thinking: object) -> None:
    assert body(**fields).get("thinking") == thinking


def test_a_model_that_does_not_reason_is_not_told_how_much() -> None:
    found, dropped = written(Ask(model="m", messages=HI, effort="high"), effort_models="reasoning")
    assert ("thinking" in found, dropped) == (False, ("effort",))


SETTINGS = list(Part)[: list(Part).index(Part.MAX_TOKENS)]


@pytest.mark.parametrize("part", SETTINGS)
def test_every_setting_is_written_or_told(part: Part) -> None:
    found, dropped = written(Ask(model="m", messages=HI, settings={part: msgspec.Raw(b'"SAID"')}))
    assert ("SAID" in json.dumps(found)) is (part.value not in dropped)


# --- answers


def events(*given: tuple[str, Mapping[str, object]]) -> bytes:
    content = [f"event: {type}\ndata: {json.dumps({'type': type, **fields})}\n\n" for type, fields in given]
    return "".join(content).encode() + b"data: [DONE]\n\n"


def piece(type: str, index: int = 0, **message: object) -> tuple[str, Mapping[str, object]]:
    return type, {"index": index, "delta": {"message": message}}


def end(reason: str = "COMPLETE", **fields: object) -> tuple[str, Mapping[str, object]]:
    return "message-end", {"delta": {"finish_reason": reason, "usage": USAGE, **fields}}


USAGE = {
    "billed_units": {"input_tokens": 3, "output_tokens": 4},
    "tokens": {"input_tokens": 10.0, "output_tokens": 6, "image_tokens": 5, "reasoning_tokens": 2},
    "cached_tokens": 8,
}
COUNTED = Usage(15, 6, 8, 2)
START = ("message-start", {"id": "c1"})
CITED = {
    "start": 0,
    "end": 2,
    "sources": [{"type": "document", "id": "1", "document": {"title": "A", "url": "https://x"}}],
}
PASSAGE = Citation("https://x", "A", start=0, end=2, document=1)


def read(content: bytes) -> Answer:
    reader = CohereReader(ASKED)
    return Collector([*reader.feed(content), *reader.close()]).answer()


def whole(**fields: object) -> Answer:
    told = {"id": "c1", "finish_reason": "COMPLETE", "usage": USAGE, **fields}
    return CohereReader(ASKED).read(json.dumps(told).encode())


def test_thoughts_and_a_cited_text() -> None:
    content = events(
        START,
        piece("content-start", 0, content={"type": "thinking", "thinking": ""}),
        piece("content-delta", 0, content={"thinking": "Hm."}),
        piece("content-end", 0),
        piece("content-start", 1, content={"type": "text", "text": ""}),
        piece("content-delta", 1, content={"text": "So."}),
        piece("citation-start", 0, citations={**CITED, "content_index": 1}),
        piece("citation-end", 0),
        piece("content-end", 1),
        end(),
    )
    blocks = (Thinking("Hm.", None, OWN), Text("So.", citations=(PASSAGE,)))
    assert read(content) == Answer("c1", "", blocks, Reason.STOP, None, COUNTED)


def test_the_same_answer_whole() -> None:
    content = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "So."}]
    found = whole(message={"content": content, "citations": [CITED]})
    blocks = (Thinking("Hm.", None, OWN), Text("So.", citations=(PASSAGE,)))
    assert found == Answer("c1", "", blocks, Reason.STOP, None, COUNTED)


def test_a_plan_is_a_thought_and_calls_follow() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": ""}}
    content = events(
        START,
        piece("tool-plan-delta", tool_plan="I will "),
        piece("tool-plan-delta", tool_plan="look."),
        piece("tool-call-start", 0, tool_calls=call),
        piece("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"at":'}}),
        piece("tool-call-delta", 0, tool_calls={"function": {"arguments": "1}"}}),
        piece("tool-call-end", 0),
        piece("tool-call-start", 1, tool_calls={**call, "id": None}),
        piece("tool-call-end", 1),
        end("TOOL_CALL"),
    )
    assert read(content).blocks == (
        Thinking("I will look.", None, OWN),
        ToolUse("a", "look", '{"at":1}'),
        ToolUse("call_456789abcdef2", "look", "{}"),
    )


def test_a_tool_without_arguments_is_called_with_the_word_null() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "null"}}
    found = whole(message={"tool_plan": "Well.", "tool_calls": [call]}, finish_reason="TOOL_CALL")
    assert found.blocks == (Thinking("Well.", None, OWN), ToolUse("a", "look", "{}"))


def test_citations_come_with_the_text_they_are_of() -> None:
    content = events(
        START, piece("content-delta", 0, content={"text": "So."}), piece("citation-start", citations=CITED)
    )
    expected: list[Event] = [Begin("c1", ""), Open(0, Text("")), Delta(0, "So."), Cited(0, PASSAGE)]
    assert CohereReader(ASKED).feed(content) == expected


def test_probabilities_of_pieces_of_text() -> None:
    token = {"text": "So.", "token_ids": [1, 2], "logprobs": [-0.25, -0.5]}
    found = whole(message={"content": [{"type": "text", "text": "So."}]}, logprobs=[token, {"token_ids": [3]}])
    assert found.blocks == (Text("So.", logprobs=(Logprob("So.", -0.75),)),)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("COMPLETE", Reason.STOP),
        ("STOP_SEQUENCE", Reason.STOP_SEQUENCE),
        ("MAX_TOKENS", Reason.LENGTH),
        ("ERROR_LIMIT", Reason.LENGTH),
        ("ERROR_TOXIC", Reason.FILTER),
    ],
)
def test_why_an_answer_ended(word: str, reason: Reason) -> None:
    assert read(events(START, end(word))).reason is reason


def test_what_is_billed_stands_in_for_what_was_counted() -> None:
    billed = {"billed_units": {"input_tokens": 3, "output_tokens": 4}}
    assert whole(message={"content": []}, usage=billed).usage == Usage(3, 4)
    assert whole(message={"content": []}, usage={}).usage == Usage(output_tokens=1, estimated=True)


def test_any_cut_gives_the_same_events() -> None:
    content = events(START, piece("content-delta", 0, content={"text": "é 你"}), piece("content-end"), end())
    whole_reader = CohereReader(ASKED)
    expected = [*whole_reader.feed(content), *whole_reader.close()]
    for at in range(len(content)):
        reader = CohereReader(ASKED)
        assert [*reader.feed(content[:at]), *reader.feed(content[at:]), *reader.close()] == expected


def test_a_failure_is_told_after_what_came_before_it() -> None:
    reader = CohereReader(ASKED)
    failed = end("ERROR", error="Your request made no valid call.", error_type="INVALID_TOOL_GENERATION")
    found = reader.feed(events(START, piece("content-delta", 0, content={"text": "So"}), failed))
    assert found == [Begin("c1", ""), Open(0, Text("")), Delta(0, "So")]
    with pytest.raises(Fault) as raised:
        reader.close()
    assert (raised.value.kind, raised.value.told.message) == (
        Kind.FAILED,
        "The upstream failed (HTTP 500): Your request made no valid call.",
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (events(end("ERROR")), Kind.FAILED),
        (events(end("TIMEOUT")), Kind.SLOW),
        (events(end("")), Kind.INVALID),
        (b'data: {"message":"Sorry."}\n\n', Kind.FAILED),
        (b"data: {not json}\n\n", Kind.INVALID),
        (b"", Kind.TRUNCATED),
    ],
)
def test_a_stream_that_fails_is_a_fault(content: bytes, kind: Kind) -> None:
    with pytest.raises(Fault) as raised:
        read(content)
    assert raised.value.kind is kind


def test_a_whole_answer_that_is_none_is_a_fault() -> None:
    for content in (b"[]", b"{}", b'{"message":"Sorry."}'):
        with pytest.raises(Fault) as raised:
            CohereReader(ASKED).read(content)
        assert raised.value.kind is Kind.INVALID


def test_an_error_is_a_sentence() -> None:
    fault = COHERE.fault(429, {b"retry-after": b"3"}, b'{"id":"e1","message":"Too many."}')
    assert (fault.kind, fault.told.message, fault.told.retry_after) == (Kind.LIMITED, "Too many.", "3")
    assert COHERE.fault(401, {}, b'{"message":"No key."}').kind is Kind.ACCOUNT


def test_a_closed_call_stays_closed() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    reader = CohereReader(ASKED)
    assert reader.feed(events(piece("tool-call-start", 0, tool_calls=call), piece("tool-call-end", 0))) == [
        Open(0, ToolUse("a", "look", "")),
        Delta(0, "{}"),
        Close(0),
    ]
