"""Requests of Responses clients, read: every item, every tool, every field, and what only this format can say."""

from __future__ import annotations

import json

import msgspec
import pytest

from unigate.conversation import (
    Ask,
    Audio,
    Block,
    Citation,
    Data,
    Document,
    FileRef,
    Foreign,
    Format,
    Image,
    Message,
    Refused,
    Role,
    Text,
    Thinking,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
)
from unigate.dialects.losses import Losses, Weight
from unigate.dialects.openai_chat.request_writer import write_ask as write_chat
from unigate.dialects.openai_responses.fields import FIELDS, OWN
from unigate.dialects.openai_responses.request_reader import read_ask
from unigate.dialects.openai_responses.tools import flat_name
from unigate.dialects.signatures import wrap
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.wire.body import decode_body

CHAT_SERVICE = Target(Provider(name="p", endpoints=(), key=Secret("k")), "m")
FUNCTION = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
CUSTOM = {"type": "custom", "name": "patch", "description": "Patches."}
CRM = {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [FUNCTION, CUSTOM]}


def ask(**fields: object) -> Ask:
    return read_ask(decode_body(json.dumps({"input": "hi", **fields}).encode()), "m", False)


def blocks(*items: object) -> tuple[Block, ...]:
    """The blocks of the only turn that these items make."""
    (message,) = ask(input=items).messages
    return message.blocks


def said(part: object) -> Block:
    (block,) = blocks({"role": "user", "content": [part]})
    return block


def refused(**fields: object) -> str:
    """What is told of a request that no other format can say."""
    with pytest.raises(Refusal) as raised:
        Losses(FIELDS, "another").begin(ask(**fields))
    assert raised.value.told.status == 422
    return str(raised.value.told.param)


def dropped(**fields: object) -> tuple[str, ...]:
    losses = Losses(FIELDS, "another")
    losses.begin(ask(**fields))
    return losses.dropped


def wrong(**fields: object) -> str:
    with pytest.raises(Refusal) as raised:
        ask(**fields)
    assert raised.value.told.status == 400
    return str(raised.value.told.param)


def is_own(name: str) -> bool:
    """Whether a field means something in this format alone."""
    return FIELDS[name].part in (Part.OTHER, Part.STATE)


def is_meant_item(name: str) -> bool:
    return name.startswith("input[].") and FIELDS[name].weight is Weight.MEANING


# --- turns


def test_a_string_is_a_message_of_the_user() -> None:
    assert ask(instructions="Be brief.").messages == (
        Message(Role.SYSTEM, (Text("Be brief."),)),
        Message(Role.USER, (Text("hi"),)),
    )


def test_an_answer_is_one_turn_and_so_are_the_results_of_its_tools() -> None:
    items: list[object] = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"role": "user", "content": "Look twice."},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": "sealed"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "look", "arguments": '{"at":1}'},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "b", "name": "patch", "input": "*** Begin"},
        {"type": "function_call_output", "call_id": "a", "output": "seen"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "done"}]},
    ]
    assert ask(input=items).messages == (
        Message(Role.DEVELOPER, (Text("Be brief."),)),
        Message(Role.USER, (Text("Look twice."),)),
        Message(
            Role.ASSISTANT,
            (
                Thinking("", "sealed", OWN, id="rs_1"),
                Text("I look."),
                ToolUse("a", "look", '{"at":1}'),
                ToolUse("b", "patch", "*** Begin", custom=True),
            ),
        ),
        Message(
            Role.USER, (ToolResult("a", (Text("seen"),), name="look"), ToolResult("b", (Text("done"),), name="patch"))
        ),
    )


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "input_text", "text": "a"}, Text("a")),
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}, Text("a", "")),
        ({"type": "refusal", "refusal": "No."}, Refused("No.")),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
            Image(Data("image/png", "aGk="), "low"),
        ),
        ({"type": "input_image", "image_url": "https://x/y.png"}, Image(Url("https://x/y.png"))),
        ({"type": "input_image", "file_id": "file-1", "detail": "original"}, Image(FileRef("file-1", OWN), "high")),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            Document(Data("application/pdf", "aGk="), "a.pdf"),
        ),
        (
            {"type": "input_file", "filename": "a.csv", "file_data": "aGk="},
            Document(Data("text/csv", "aGk="), "a.csv"),
        ),
        ({"type": "input_file", "file_url": "https://x/y.pdf"}, Document(Url("https://x/y.pdf"))),
        ({"type": "input_file", "file_id": "file-1"}, Document(FileRef("file-1", OWN))),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}, Audio(Data("audio/wav", "aGk="))),
    ],
)
def test_every_part_of_a_message_is_a_block(part: object, block: Block) -> None:
    assert said(part) == block


def test_an_earlier_answer_keeps_its_citations() -> None:
    note = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 2}
    part = {"type": "output_text", "text": "So.", "annotations": [note], "logprobs": []}
    assert blocks({"role": "assistant", "content": [part]}) == (
        Text("So.", citations=(Citation("https://x", "X", start=0, end=2),)),
    )


@pytest.mark.parametrize(
    ("item", "thinking"),
    [
        (
            {"summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
            Thinking("a\n\nb", None, OWN, id="rs_1"),
        ),
        (
            {"summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
            Thinking("raw", None, OWN, id="rs_1"),
        ),
        (
            {"summary": [{"text": "a"}], "encrypted_content": wrap("sig", "anthropic.messages")},
            Thinking("a", "sig", "anthropic.messages"),
        ),
        (
            {"summary": [], "encrypted_content": wrap("sealed", "anthropic.messages redacted")},
            Thinking("", "sealed", "anthropic.messages", True),
        ),
        (
            {"summary": [{"text": "a"}], "encrypted_content": wrap("", "openai.chat")},
            Thinking("a", None, "openai.chat"),
        ),
    ],
)
def test_reasoning_comes_back_to_whoever_made_it(item: dict[str, object], thinking: Thinking) -> None:
    assert blocks({"type": "reasoning", "id": "rs_1", **item}) == (thinking,)


def test_reasoning_that_only_its_provider_could_know_is_nothing() -> None:
    nothing: list[object] = []
    items = [{"type": "reasoning", "id": "rs_1", "summary": nothing}, {"role": "user", "content": "hi"}]
    assert ask(input=items).messages == (Message(Role.USER, (Text("hi"),)),)


def test_what_a_hosted_tool_did_is_kept_for_its_own_format() -> None:
    (found,) = blocks({"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}})
    assert isinstance(found, Foreign)
    assert (found.origin, found.kind) == (OWN, "web_search_call")


# --- tools


def test_a_namespace_is_flattened_and_remembered() -> None:
    found = ask(tools=[FUNCTION, CRM]).tools
    assert [(tool.name, tool.description, tool.custom, tool.space) for tool in found] == [
        ("look", None, False, None),
        ("crm__look", "crm: Customers.", False, ("crm", "look")),
        ("crm__patch", "Patches.", True, ("crm", "patch")),
    ]


def test_a_call_in_a_namespace_is_found_by_the_same_name() -> None:
    call = {"type": "function_call", "call_id": "a", "namespace": "crm", "name": "look", "arguments": ""}
    assert blocks(call) == (ToolUse("a", "crm__look", "{}"),)


@pytest.mark.parametrize(
    ("space", "name", "flat"),
    [
        ("crm", "find", "crm__find"),
        ("mcp__crm__", "find", "mcp__crm__find"),
        (None, "find", "find"),
        ("crm.eu", "find", "crm_eu__find_baeb7977"),
        ("s" * 40, "n" * 40, "s" * 40 + "__" + "n" * 13 + "_c2b242ff"),
    ],
)
def test_a_flat_name_fits_every_service(space: str | None, name: str, flat: str) -> None:
    assert flat_name(space, name) == flat
    assert len(flat) <= 64


def test_a_custom_tool_keeps_its_grammar() -> None:
    lark = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
    (tool,) = ask(tools=[{**CUSTOM, "format": lark}]).tools
    assert tool.custom
    assert tool.grammar is not None
    assert json.loads(bytes(tool.grammar)) == {"syntax": "lark", "definition": "start: WORD"}


def test_tools_may_come_with_the_input() -> None:
    items = [{"type": "additional_tools", "role": "developer", "tools": [CRM]}, {"role": "user", "content": "hi"}]
    assert [tool.name for tool in ask(input=items).tools] == ["crm__look", "crm__patch"]


def test_a_hosted_tool_is_left_to_those_who_have_it() -> None:
    found = ask(tools=[{"type": "web_search", "external_web_access": False}, FUNCTION])
    assert [(hosted.origin, hosted.kind) for hosted in found.hosted_tools] == [(OWN, "web_search")]
    assert [tool.name for tool in found.tools] == ["look"]


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "look"}, ToolChoice("named", ("look",))),
        ({"type": "custom", "name": "patch"}, ToolChoice("named", ("patch",))),
        ({"type": "function", "namespace": "crm", "name": "look"}, ToolChoice("named", ("crm__look",))),
    ],
)
def test_every_choice_of_a_tool(choice: object, found: ToolChoice) -> None:
    assert ask(tools=[FUNCTION, CUSTOM, CRM], tool_choice=choice).tool_choice == found


def test_allowed_tools_are_the_only_ones_left() -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "patch"}]}
    found = ask(tools=[FUNCTION, CUSTOM, {"type": "web_search"}], tool_choice=choice)
    assert ([tool.name for tool in found.tools], found.hosted_tools) == (["patch"], ())
    assert found.tool_choice == ToolChoice("required")


def test_a_demanded_hosted_tool_cannot_be_carried() -> None:
    assert refused(tools=[FUNCTION, {"type": "file_search"}], tool_choice={"type": "file_search"}) == "tool_choice"
    assert refused(tools=[{"type": "file_search"}], tool_choice="required") == "tool_choice"


def test_where_there_are_no_tools_nothing_is_said_of_calling_them() -> None:
    found = ask(tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert (found.tool_choice, found.parallel) == (None, None)


# --- settings


def test_settings_travel_as_they_came() -> None:
    given = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 3,
        "metadata": {"a": "b"},
        "store": False,
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "text": {"verbosity": "low"},
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
    }
    found = ask(**given)
    assert {part.value: json.loads(bytes(raw)) for part, raw in found.settings.items()} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 3,
        "metadata": {"a": "b"},
        "store": False,
        "service_tier": "flex",
        "cache_key": "k",
        "verbosity": "low",
        "logprobs": True,
    }
    assert (found.others, found.unknown) == ((), ())


def test_the_rest_of_what_can_be_asked() -> None:
    found = ask(
        max_output_tokens=100,
        safety_identifier="u1",
        reasoning={"effort": "high", "summary": "auto"},
        parallel_tool_calls=False,
        tools=[FUNCTION],
        text={"format": {"type": "json_schema", "name": "n", "strict": True, "schema": {"type": "object"}}},
    )
    assert (found.max_tokens, found.user, found.effort, found.thinking_shown) == (100, "u1", "high", True)
    assert found.parallel is False
    assert found.format is not None
    assert (found.format.name, found.format.strict, bytes(found.format.schema or b"")) == (
        "n",
        True,
        b'{"type": "object"}',
    )


def test_any_json_and_plain_text() -> None:
    assert ask(text={"format": {"type": "json_object"}}).format == Format()
    assert ask(text={"format": {"type": "text"}}).format is None


def test_an_answer_repeats_what_its_request_set() -> None:
    echo = ask(temperature=0.5, tools=[FUNCTION], metadata={"a": "b"}, store=True).echo
    assert {name: json.loads(bytes(raw)) for name, raw in echo.items()} == {
        "temperature": 0.5,
        "tools": [FUNCTION],
        "metadata": {"a": "b"},
    }


@pytest.mark.parametrize(
    "given",
    [
        {"background": False},
        {"truncation": "disabled"},
        {"top_logprobs": 0},
        {"service_tier": "auto"},
        {"stream_options": {"include_obfuscation": False}},
        {"previous_response_id": None},
        {"include": ["reasoning.encrypted_content"]},
    ],
)
def test_what_asks_for_nothing_is_nothing(given: dict[str, object]) -> None:
    found = ask(**given)
    assert (dict(found.settings), found.others, found.unknown) == ({}, (), ())


@pytest.mark.parametrize("name", [name for name in FIELDS if is_own(name) and not set(".[") & set(name)])
def test_what_only_this_format_knows_is_told_by_name(name: str) -> None:
    given: dict[str, object] = {name: ["file_search_call.results"] if name == "include" else {"some": "thing"}}
    if FIELDS[name].weight is Weight.MEANING:
        assert refused(**given) == name
    else:
        assert dropped(**given) == (name,)


@pytest.mark.parametrize("kind", [name.partition(".")[2] for name in FIELDS if is_own(name) and is_meant_item(name)])
def test_an_item_that_means_something_here_alone_is_refused(kind: str) -> None:
    assert refused(input=[{"type": kind, "id": "x"}, {"role": "user", "content": "hi"}]) == f"input[].{kind}"


def test_state_at_the_provider_is_refused() -> None:
    assert refused(previous_response_id="resp_1") == "previous_response_id"
    assert refused(conversation={"id": "conv_1"}) == "conversation"
    assert refused(input=[{"id": "msg_1"}]) == "input[].item_reference"


def test_small_hints_are_told() -> None:
    tool = {**FUNCTION, "defer_loading": True, "allowed_callers": ["programmatic"], "output_schema": {}, "async": True}
    items = [{"role": "assistant", "phase": "commentary", "content": "I look."}]
    assert dropped(input=items, tools=[tool], reasoning={"context": "all_turns", "mode": "pro"}) == (
        "input[].phase",
        "reasoning.context",
        "reasoning.mode",
        "tools[].allowed_callers",
        "tools[].async",
        "tools[].defer_loading",
        "tools[].output_schema",
    )


def test_what_nobody_knows_is_a_hint() -> None:
    items = [{"role": "user", "content": [{"type": "input_text", "text": "hi", "mood": "good"}], "weight": 1}]
    assert dropped(input=items, flavour="sweet", tools=[{**FUNCTION, "colour": "red"}]) == (
        "flavour",
        "input[].content[].mood",
        "input[].weight",
        "tools[].colour",
    )


# --- what is wrong


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
        ({"input": [{"role": "user", "content": "hi"}, 7]}, "input[1]"),
        ({"input": [{"role": "user", "content": "hi"}, {"role": "user", "content": 7}]}, "input[1].content"),
        ({"input": [{"type": "function_call", "name": "look"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0].type"),
        ({"instructions": 7}, "instructions"),
        ({"tools": 7}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[]"),
        ({"tool_choice": "sometimes", "tools": [FUNCTION]}, "tool_choice"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"reasoning": {"effort": 7}}, "reasoning.effort"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
    ],
)
def test_bad_input_is_named(fields: dict[str, object], param: str) -> None:
    assert wrong(**fields) == param


def test_the_raw_parts_of_an_ask_outlive_its_request() -> None:
    found = ask(temperature=0.5)
    assert found.echo["temperature"] == msgspec.Raw(b"0.5")


def test_tools_that_a_search_has_found_are_offered_once_and_the_search_is_told_as_lost() -> None:
    search = {"type": "tool_search", "execution": "client", "parameters": {}}
    found = {"type": "tool_search_output", "call_id": "c", "tools": [FUNCTION, {**FUNCTION, "name": "see"}]}
    asked = ask(input=[{"type": "tool_search_call", "call_id": "c", "arguments": {}}, found], tools=[search, FUNCTION])
    losses = Losses(FIELDS, "a target")

    sent = json.loads(write_chat(asked, CHAT_SERVICE, losses))

    assert [tool["function"]["name"] for tool in sent["tools"]] == ["look", "see"]
    assert losses.dropped == ("input[].type", "tool_search")
    assert sent["messages"] == []
