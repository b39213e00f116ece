"""What a client asks in the Messages API, as the neutral model has it."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from unigate.conversation import (
    Ask,
    Citation,
    Data,
    Document,
    FileRef,
    Foreign,
    Format,
    HostedTool,
    Image,
    Message,
    Role,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
)
from unigate.dialects.anthropic_messages.count import counted
from unigate.dialects.anthropic_messages.fields import FIELDS, OWN
from unigate.dialects.anthropic_messages.request_reader import read_ask
from unigate.dialects.losses import Losses
from unigate.dialects.signatures import wrap
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.wire.body import decode_body

HI = [{"role": "user", "content": "Hi"}]
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}


def asked(**fields: object) -> Ask:
    body = {"model": "m", "max_tokens": 100, "messages": HI} | fields
    return read_ask(decode_body(json.dumps(body).encode()), "m", streamed=False)


def said(*blocks: object, role: str = "user") -> tuple[object, ...]:
    """The blocks of one message with this content."""
    (message,) = asked(messages=[{"role": role, "content": list(blocks)}]).messages
    return message.blocks


def plain(text: str) -> Data:
    return Data("text/plain", base64.b64encode(text.encode()).decode())


def refused(**fields: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        asked(**fields)
    return caught.value


def test_a_plain_question() -> None:
    ask = asked()

    assert (ask.model, ask.max_tokens, ask.streamed) == ("m", 100, False)
    assert ask.messages == (Message(Role.USER, (Text("Hi"),)),)
    assert (ask.settings, ask.others, ask.unknown) == ({}, (), ())


def test_instructions_come_first_with_their_marks() -> None:
    marked = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    bare = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}

    assert asked(system="Be brief.").messages[0] == Message(Role.SYSTEM, (Text("Be brief."),))
    assert asked(system=[marked, bare]).messages[0] == Message(
        Role.SYSTEM, (Text("Be brief.", "1h"), Text("Be kind.", ""))
    )


def test_instructions_in_the_middle_keep_their_place() -> None:
    messages = [*HI, {"role": "assistant", "content": "Yes?"}, {"role": "system", "content": "French now."}, *HI]

    assert [message.role for message in asked(messages=messages).messages] == [
        Role.USER,
        Role.ASSISTANT,
        Role.SYSTEM,
        Role.USER,
    ]


def test_instructions_may_stand_in_a_message_of_the_user() -> None:
    told = {"type": "mid_conv_system", "content": [{"type": "text", "text": "French now."}]}

    assert said(told, {"type": "text", "text": "Hi"}) == (Text("French now."), Text("Hi"))


def test_pictures_by_content_by_address_and_by_name() -> None:
    sources = [
        {"type": "base64", "media_type": "image/png", "data": "QUJD"},
        {"type": "url", "url": "https://a.example/x.png"},
        {"type": "file", "file_id": "file_1"},
    ]

    assert said(*({"type": "image", "source": source} for source in sources)) == (
        Image(Data("image/png", "QUJD")),
        Image(Url("https://a.example/x.png")),
        Image(FileRef("file_1", OWN)),
    )


def test_documents_of_every_source() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}
    told = {"title": "Report", "citations": {"enabled": True}, "cache_control": {"type": "ephemeral"}}
    words = {"type": "text", "media_type": "text/plain", "data": "Snow fell."}
    parts = {"type": "content", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]}
    address = {"type": "url", "url": "https://a.example/x.pdf"}

    assert said({"type": "document", "source": pdf, **told}) == (
        Document(Data("application/pdf", "QUJD"), "Report", "", True),
    )
    assert said({"type": "document", "source": words}) == (Document(plain("Snow fell.")),)
    assert said({"type": "document", "source": parts}) == (Document(plain("One.\n\nTwo.")),)
    assert said({"type": "document", "source": {"type": "content", "content": "One."}}) == (Document(plain("One.")),)
    assert said({"type": "document", "source": address}) == (Document(Url("https://a.example/x.pdf")),)


def test_what_is_told_beside_a_document_is_said_before_it() -> None:
    words = {"type": "text", "media_type": "text/plain", "data": "Snow fell."}

    assert said({"type": "document", "source": words, "context": "From 1910."}) == (
        Text("From 1910."),
        Document(plain("Snow fell.")),
    )


def test_a_search_result_is_a_document() -> None:
    found = {"source": "https://a.example", "title": "Snow", "content": [{"type": "text", "text": "It fell."}]}

    assert said({"type": "search_result", **found, "citations": {"enabled": True}}) == (
        Document(plain("https://a.example\n\nIt fell."), "Snow", None, True),
    )


def test_thoughts_keep_their_order_and_signatures() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    hidden = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}}

    assert said(thinking, hidden, call, role="assistant") == (
        Thinking("Hm.", "c2ln", OWN),
        Thinking("", "ZGF0YQ==", OWN, redacted=True),
        ToolUse("t1", "look", '{"at": 1}'),
    )


def test_thoughts_of_another_provider_are_known_again() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": wrap("c2ln", "gemini.generate")}
    hidden = {"type": "redacted_thinking", "data": wrap("x", "openai.responses")}

    assert said(thinking, hidden, {"type": "thinking", "thinking": "Oh.", "signature": ""}, role="assistant") == (
        Thinking("Hm.", "c2ln", "gemini.generate"),
        Thinking("", "x", "openai.responses", redacted=True),
        Thinking("Oh."),
    )


def test_unsigned_thoughts_of_another_provider_go_back_to_it() -> None:
    mark = wrap("", "openai.chat")
    thinking, wordless = ({"type": "thinking", "thinking": text, "signature": mark} for text in ("Hm.", ""))

    assert said(thinking, wordless, role="assistant") == (Thinking("Hm.", None, "openai.chat"),)


def test_results_of_tools() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}}
    shown = {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "See"}, picture]}

    assert said({"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}, shown) == (
        ToolResult("t1", (Text("no"),), is_error=True),
        ToolResult("t2", (Text("See"), Image(Url("https://a.example/x.png")))),
    )
    assert said({"type": "tool_result", "tool_use_id": "t3"}) == (ToolResult("t3", ()),)


def test_sources_of_an_earlier_answer() -> None:
    place = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "x"}
    text = {"type": "text", "text": "So.", "citations": [place, 5]}

    assert said(text, role="assistant") == (Text("So.", citations=(Citation("https://a.example", "A", "x"),)),)


def test_blocks_of_hosted_tools_are_kept_as_they_came() -> None:
    searched = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "snow"}}

    (block,) = said(searched, role="assistant")

    assert isinstance(block, Foreign)
    assert (block.origin, block.kind, json.loads(bytes(block.raw))) == (OWN, "server_tool_use", searched)


def test_tools_and_hosted_tools() -> None:
    schema = {"type": "object", "properties": {}}
    look = {"name": "look", "description": "Looks.", "input_schema": schema, "strict": True}
    ask = asked(tools=[look, {"type": "custom", "name": "see"}, {"type": "bash_20250124", "name": "bash"}])

    raw = msgspec.Raw(json.dumps(schema).encode())
    assert ask.tools == (Tool("look", "Looks.", raw, True), Tool("see"))
    assert ask.hosted_tools == (
        HostedTool(OWN, "bash_20250124", msgspec.Raw(b'{"type": "bash_20250124", "name": "bash"}')),
    )


@pytest.mark.parametrize(
    ("told", "choice"),
    [
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "look"}, ToolChoice("named", ("look",))),
        ({"type": "none"}, ToolChoice("none")),
    ],
)
def test_choices_of_tools(told: dict[str, object], choice: ToolChoice) -> None:
    assert asked(tool_choice=told).tool_choice == choice
    assert asked(tool_choice=told).parallel is None
    assert asked(tool_choice=told | {"disable_parallel_tool_use": True}).parallel is False


@pytest.mark.parametrize(
    ("told", "effort", "budget", "is_shown"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, None, 2000, True),
        ({"thinking": {"type": "adaptive"}}, None, None, True),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, None, None, False),
        ({"thinking": {"type": "disabled"}}, "none", None, None),
        ({"thinking": {"type": "between_tools"}}, "low", None, None),
        ({"output_config": {"effort": "medium"}}, "medium", None, None),
        ({"output_config": {"effort": "max"}}, "xhigh", None, None),
        ({"output_config": {"effort": "high"}, "thinking": {"type": "disabled"}}, "none", None, None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, "none", None, None),
    ],
)
def test_thinking(told: dict[str, object], effort: str | None, budget: int | None, is_shown: bool | None) -> None:
    ask = asked(**told)

    assert (ask.effort, ask.thinking_budget, ask.thinking_shown) == (effort, budget, is_shown)


def test_a_schema_for_the_answer_in_both_places() -> None:
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    form = Format(msgspec.Raw(b'{"type": "object"}'), None, strict=True)

    assert asked(output_config={"format": schema}).format == form
    assert asked(output_format=schema).format == form


def test_the_rest_of_the_settings() -> None:
    ask = asked(temperature=0.5, top_p=0.9, top_k=5, stop_sequences=["END"], metadata={"user_id": "u"})

    assert {part: bytes(raw) for part, raw in ask.settings.items()} == {
        Part.TEMPERATURE: b"0.5",
        Part.TOP_P: b"0.9",
        Part.TOP_K: b"5",
    }
    assert (ask.stop, ask.user) == (("END",), "u")


@pytest.mark.parametrize(("tier", "neutral"), [("auto", b'"auto"'), ("standard_only", b'"default"')])
def test_a_service_tier_in_words_that_others_know(tier: str, neutral: bytes) -> None:
    assert asked(service_tier=tier).settings == {Part.SERVICE_TIER: msgspec.Raw(neutral)}


def test_a_mark_for_the_whole_is_one_on_the_last_block() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    texts = [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}]

    assert asked(cache_control=mark, messages=[*HI, {"role": "user", "content": texts}]).messages == (
        Message(Role.USER, (Text("Hi"),)),
        Message(Role.USER, (Text("Hi"), Text("you", "1h"))),
    )
    assert asked(cache_control=mark, messages=[{"role": "user", "content": []}]).messages == (Message(Role.USER, ()),)


def test_null_is_nothing() -> None:
    nothing = dict.fromkeys(("system", "tools", "thinking", "metadata", "stop_sequences", "temperature", "container"))

    assert asked(**nothing) == asked()


def test_what_claude_code_always_sends_can_be_carried_anywhere() -> None:
    ask = asked(
        system=[
            {"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}}
        ],
        tools=[{"name": "Bash", "input_schema": {"type": "object"}, "eager_input_streaming": True}],
        metadata={"user_id": "user_1"},
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high", "task_budget": {"type": "tokens", "total": 1}},
        temperature=1,
        betas=["x"],
    )
    losses = Losses(FIELDS, "a target")

    losses.begin(ask)

    assert losses.dropped == (
        "betas",
        "context_management",
        "output_config.task_budget",
        "system[].cache_control.scope",
        "tools[].eager_input_streaming",
    )
    assert ask.unknown == ("system[].cache_control.scope",)


@pytest.mark.parametrize("name", ["inference_geo", "compaction", "thread"])
def test_what_only_this_service_can_do_is_refused_elsewhere(name: str) -> None:
    with pytest.raises(Refusal, match=name):
        Losses(FIELDS, "a target").begin(asked(**{name: "us"}))


def test_every_field_of_the_table_that_is_nobodys_else_is_told_by_its_name() -> None:
    tops = {name: 1 for name, field in FIELDS.items() if field.part in (Part.OTHER, Part.STATE) and "." not in name}

    assert asked(**tops).others == tuple(tops)


def test_unknown_fields_are_set_aside_by_name() -> None:
    ask = asked(surprise=1, messages=[{"role": "user", "content": [{"type": "text", "text": "Hi", "mood": 1}]}])

    assert ask.unknown == ("messages[].content[].mood", "surprise")
    assert ask.messages[0].blocks == (Text("Hi"),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [*HI, {"role": "user", "content": [{"text": "Hi"}]}]}, "messages[1].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, "messages[0].content[0].content[0]"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"system": 5}, "system"),
        ({"tools": [{"description": "no name"}]}, "tools[]"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"output_format": {"type": "xml"}}, "output_format.type"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(fields: dict[str, object], param: str) -> None:
    told = refused(**fields).told

    assert (told.status, told.param) == (400, param)
    assert param in told.message


def test_tokens_are_counted_by_a_published_rule() -> None:
    assert counted(asked(messages=[{"role": "user", "content": "a" * 400}])) == b'{"input_tokens":104}'
    assert counted(asked(messages=[{"role": "user", "content": "你好世界"}])) == b'{"input_tokens":8}'
