"""Asks written as Responses requests: every block and setting, and what this format has no words for."""

from __future__ import annotations

import json

import msgspec
import pytest

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
from unigate.dialects.losses import Losses, hint, meaning
from unigate.dialects.openai_responses.fields import OWN
from unigate.dialects.openai_responses.request_writer import write_ask
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Quirks, Target

HI = (Message(Role.USER, (Text("hi"),)),)
SCHEMA = msgspec.Raw(b'{"type":"object"}')
LOOK = Tool("look", "Looks.", SCHEMA, True)
PATCH = Tool("patch", custom=True)


def written(ask: Ask, effort_models: str = "") -> tuple[dict[str, object], tuple[str, ...]]:
    """The body that is sent, and the parts of the ask that are not in it."""
    provider = Provider(name="p", endpoints=(), key=Secret("k"), quirks=Quirks(effort_models=effort_models))
    losses = Losses({part.value: hint(part) for part in Part}, "here")
    body: dict[str, object] = json.loads(write_ask(ask, Target(provider, "gpt-x"), losses))
    return body, losses.dropped


def items(*blocks: Block, role: Role = Role.USER) -> object:
    return written(Ask(model="m", messages=(Message(role, blocks),)))[0]["input"]


def lost(*blocks: Block, role: Role = Role.USER) -> tuple[str, ...]:
    return written(Ask(model="m", messages=(Message(role, blocks),)))[1]


def body(**fields: object) -> dict[str, object]:
    ask = Ask(model="m", messages=HI)
    for name, value in fields.items():
        setattr(ask, name, value)
    return written(ask)[0]


# --- turns


def test_the_least_that_can_be_asked() -> None:
    assert written(Ask(model="m", messages=HI)) == (
        {"model": "gpt-x", "input": [{"type": "message", "role": "user", "content": "hi"}], "store": False},
        (),
    )


def test_the_operators_first_words_are_instructions_and_later_ones_stay_in_their_place() -> None:
    messages = (
        Message(Role.SYSTEM, (Text("Be brief."), Text("Be kind."))),
        Message(Role.DEVELOPER, (Text("Use tools."),)),
        *HI,
        Message(Role.SYSTEM, (Text("Now be long."),)),
    )
    found, _ = written(Ask(model="m", messages=messages))
    assert found["instructions"] == "Be brief.\n\nBe kind."
    assert found["input"] == [
        {"type": "message", "role": "developer", "content": "Use tools."},
        {"type": "message", "role": "user", "content": "hi"},
        {"type": "message", "role": "system", "content": "Now be long."},
    ]


def test_a_loop_of_tools_keeps_its_order() -> None:
    messages = (
        *HI,
        Message(
            Role.ASSISTANT,
            (
                Thinking("Hm.", "sealed", OWN, id="rs_1"),
                Text("I look."),
                ToolUse("a", "look", ""),
                ToolUse("b", "patch", "*** Begin", custom=True),
            ),
        ),
        Message(Role.USER, (ToolResult("a", (Text("x"), Text("y"))), ToolResult("b", (Text("ok"),)), Text("Go on."))),
    )
    found, dropped = written(Ask(model="m", messages=messages))
    assert dropped == ()
    assert found["input"] == [
        {"type": "message", "role": "user", "content": "hi"},
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "sealed",
            "id": "rs_1",
        },
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "patch", "input": "*** Begin"},
        {"type": "function_call_output", "call_id": "a", "output": "x\ny"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "ok"},
        {"type": "message", "role": "user", "content": "Go on."},
    ]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (Image(Url("https://x/y.png")), {"type": "input_image", "detail": "auto", "image_url": "https://x/y.png"}),
        (
            Image(Data("image/png", "aGk="), "low"),
            {"type": "input_image", "detail": "low", "image_url": "data:image/png;base64,aGk="},
        ),
        (Image(FileRef("file-1", "openai.chat")), {"type": "input_image", "detail": "auto", "file_id": "file-1"}),
        (
            Document(Data("application/pdf", "aGk="), "a.pdf"),
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        ),
        (Document(Data("text/plain", "aGk="), "a.txt"), {"type": "input_text", "text": "a.txt\n\nhi"}),
        (Document(Url("https://x/y.pdf")), {"type": "input_file", "file_url": "https://x/y.pdf"}),
        (Document(FileRef("file-1", OWN)), {"type": "input_file", "file_id": "file-1"}),
        (
            Audio(Data("audio/mpeg", "aGk=")),
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        ),
    ],
)
def test_every_block_is_a_part_of_a_message(block: Block, part: object) -> None:
    assert items(Text("See:"), block) == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "See:"}, part]}
    ]


def test_a_result_may_show_a_picture() -> None:
    result = ToolResult("a", (Text("Seen:"), Image(Data("image/png", "aGk="))))
    assert items(result) == [
        {
            "type": "function_call_output",
            "call_id": "a",
            "output": [
                {"type": "input_text", "text": "Seen:"},
                {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="},
            ],
        }
    ]


def test_a_refusal_and_a_hosted_tools_call_come_back() -> None:
    call = Foreign(OWN, "web_search_call", msgspec.Raw(b'{"type":"web_search_call","id":"ws_1"}'))
    assert items(call, Refused("No."), role=Role.ASSISTANT) == [
        {"type": "web_search_call", "id": "ws_1"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ]


def test_an_id_is_never_too_long() -> None:
    id = "call_7db92d77e8b1d5ac593cd614244109b7"
    call = {"type": "function_call", "call_id": id, "name": "look", "arguments": "{}"}
    assert items(ToolUse("i" * 65, "look", "{}"), role=Role.ASSISTANT) == [call]
    assert items(ToolResult("i" * 65, (Text("x"),))) == [{"type": "function_call_output", "call_id": id, "output": "x"}]


@pytest.mark.parametrize(
    ("block", "role", "part"),
    [
        (Thinking("Hm.", "sig", "anthropic.messages"), Role.ASSISTANT, Part.THINKING),
        (Thinking("Hm.", None, OWN, id="rs_1"), Role.ASSISTANT, Part.THINKING),
        (Foreign("anthropic.messages", "server_tool_use", SCHEMA), Role.ASSISTANT, Part.FOREIGN),
        (Image(Data("image/png", "aGk=")), Role.ASSISTANT, Part.IMAGES),
        (Image(FileRef("file-1", "anthropic.messages")), Role.USER, Part.FILE_IDS),
        (Document(FileRef("file-1", "anthropic.messages")), Role.USER, Part.FILE_IDS),
        (Document(Url("https://x"), cited=True), Role.USER, Part.DOCUMENT_CITATIONS),
        (Audio(Data("audio/ogg", "aGk=")), Role.USER, Part.AUDIO),
        (Audio(Url("https://x")), Role.USER, Part.AUDIO),
        (Video(Url("https://x")), Role.USER, Part.VIDEO),
        (Text("hi", "5m"), Role.USER, Part.CACHE),
        (ToolResult("a", (Text("x"),), is_error=True), Role.USER, Part.TOOL_ERRORS),
        (ToolResult("a", (Audio(Url("https://x")),)), Role.USER, Part.TOOL_IMAGES),
    ],
)
def test_what_this_format_cannot_say_is_told(block: Block, role: Role, part: Part) -> None:
    assert lost(block, role=role) == (part.value,)


def test_a_participants_name_is_told() -> None:
    assert written(Ask(model="m", messages=(Message(Role.USER, (Text("hi"),), "eve"),)))[1] == ("names",)


# --- tools


def test_tools_of_both_kinds() -> None:
    grammar = msgspec.Raw(b'{"syntax":"lark","definition":"start: WORD"}')
    chats = msgspec.Raw(b'{"type":"grammar","grammar":{"syntax":"regex","definition":"a+"}}')
    tools = (
        LOOK,
        Tool("bare"),
        Tool("patch", "Patches.", custom=True, grammar=grammar),
        Tool("more", custom=True, grammar=chats),
    )
    assert body(tools=tools, parallel=False)["tools"] == [
        {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": True},
        {"type": "function", "name": "bare", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {
            "type": "custom",
            "name": "patch",
            "description": "Patches.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: WORD"},
        },
        {"type": "custom", "name": "more", "format": {"type": "grammar", "syntax": "regex", "definition": "a+"}},
    ]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", ("look",)), {"type": "function", "name": "look"}),
        (ToolChoice("named", ("patch",)), {"type": "custom", "name": "patch"}),
        (
            ToolChoice("named", ("look", "patch")),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "look"}, {"type": "custom", "name": "patch"}],
            },
        ),
        (
            ToolChoice("auto", ("look",)),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]},
        ),
    ],
)
def test_every_choice_of_a_tool(choice: ToolChoice, said: object) -> None:
    assert body(tools=(LOOK, PATCH), tool_choice=choice)["tool_choice"] == said


def test_only_our_own_hosted_tools_are_asked_for() -> None:
    own = HostedTool(OWN, "web_search", msgspec.Raw(b'{"type":"web_search"}'))
    other = HostedTool("anthropic.messages", "web_search_20250305", SCHEMA)
    found, dropped = written(Ask(model="m", messages=HI, hosted_tools=(own, other)))
    assert (found["tools"], dropped) == ([{"type": "web_search"}], ("web_search_20250305",))


# --- settings


def test_the_form_and_the_length_of_the_text() -> None:
    text = body(format=Format(SCHEMA, "n", "d", True), settings={Part.VERBOSITY: msgspec.Raw(b'"low"')})["text"]
    assert text == {
        "verbosity": "low",
        "format": {
            "type": "json_schema",
            "name": "n",
            "schema": {"type": "object"},
            "description": "d",
            "strict": True,
        },
    }
    assert body(format=Format())["text"] == {"format": {"type": "json_object"}}


def test_reasoning_is_asked_for_in_a_form_that_can_come_back() -> None:
    found = body(effort="high", thinking_shown=True)
    assert found["reasoning"] == {"effort": "high", "summary": "auto"}
    assert found["include"] == ["reasoning.encrypted_content"]
    assert body(thinking_budget=2000)["reasoning"] == {"effort": "low"}
    assert "include" not in body(effort="none")


def test_a_model_known_to_reason_is_asked_for_thoughts_that_can_come_back() -> None:
    found, _ = written(Ask(model="m", messages=HI), effort_models="^gpt-x")
    assert (found.get("include"), found.get("reasoning")) == (["reasoning.encrypted_content"], None)


def test_a_model_that_does_not_reason_is_not_told_how_much() -> None:
    found, dropped = written(Ask(model="m", messages=HI, effort="high"), effort_models="^o[0-9]")
    assert ("reasoning" in found, dropped) == (False, ("effort",))


def test_a_client_that_wants_it_kept_has_it_kept() -> None:
    assert body(settings={Part.STORE: msgspec.Raw(b"true")})["store"] is True


def test_stops_streams_and_limits() -> None:
    ask = Ask(model="m", messages=HI, stop=("x",), streamed=True, max_tokens=50, user="u")
    found, dropped = written(ask)
    assert (found["stream"], found["max_output_tokens"], found["user"], dropped) == (True, 50, "u", ("stop",))


SETTINGS = list(Part)[: list(Part).index(Part.MAX_TOKENS)]


@pytest.mark.parametrize("part", SETTINGS)
def test_every_setting_is_written_or_told(part: Part) -> None:
    found, dropped = written(Ask(model="m", messages=HI, settings={part: msgspec.Raw(b'"SAID"')}))
    if part is Part.LOGPROBS:
        found, dropped = written(Ask(model="m", messages=HI, settings={part: msgspec.Raw(b"true")}))
        assert found["include"] == ["message.output_text.logprobs"]
    else:
        assert ("SAID" in json.dumps(found)) is (part.value not in dropped)


@pytest.mark.parametrize(("limit", "sent", "told"), [(1, 16, ("max_tokens",)), (16, 16, ()), (512, 512, ())])
def test_a_limit_that_the_service_would_refuse_is_raised_and_told(limit: int, sent: int, told: object) -> None:
    losses = Losses({"max_tokens": meaning(Part.MAX_TOKENS)}, "here")
    target = Target(Provider(name="p", endpoints=(), key=Secret("k")), "gpt-x")
    sent_body = write_ask(Ask(model="m", messages=HI, max_tokens=limit), target, losses)

    assert (json.loads(sent_body)["max_output_tokens"], losses.dropped) == (sent, told)
