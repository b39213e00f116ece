"""Asks of other clients, written for a service that speaks the Messages API."""

from __future__ import annotations

import base64
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
from unigate.dialects.anthropic_messages.request_writer import write_ask
from unigate.dialects.losses import Field, Losses, Weight, hint
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Quirks, Target

OWN = "anthropic.messages"
PROVIDER = Provider(name="p", endpoints=(), key=Secret("k"), quirks=Quirks(default_max_tokens=8192))
HINTS = {part.value: hint(part) for part in Part}
MEANINGS = {part.value: Field(part, Weight.MEANING) for part in Part}
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"object"}}}')
LOOK = Tool("look", "Looks.", msgspec.Raw(b'{"type":"object"}'))
SEE = Tool("see")

BUDGETED, ADAPTIVE, NEWEST, OLD = "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5", "claude-3-5-haiku-latest"


def user(*blocks: Block) -> Message:
    return Message(Role.USER, blocks)


def assistant(*blocks: Block) -> Message:
    return Message(Role.ASSISTANT, blocks)


def system(text: str) -> Message:
    return Message(Role.SYSTEM, (Text(text),))


HI = user(Text("Hi"))


def ask_of(*messages: Message, **fields: object) -> Ask:
    return msgspec.structs.replace(Ask(model="m", messages=messages or (HI,)), **fields)


def written(ask: Ask, model: str = BUDGETED) -> tuple[dict[str, object], tuple[str, ...]]:
    """The body, and the names of what was lost."""
    losses = Losses(HINTS, "a target")
    body = json.loads(write_ask(ask, Target(PROVIDER, model), losses))
    return body, losses.dropped


def messages_of(*messages: Message) -> list[object]:
    return written(ask_of(*messages))[0]["messages"]


def settings(**values: bytes) -> dict[Part, msgspec.Raw]:
    return {Part(name): msgspec.Raw(value) for name, value in values.items()}


def test_a_plain_question() -> None:
    body, lost = written(ask_of(streamed=True, user="u", stop=("END",), max_tokens=5))

    assert lost == ()
    assert body == {
        "model": BUDGETED,
        "max_tokens": 5,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "stream": True,
    }


def test_a_limit_is_set_where_the_client_gave_none() -> None:
    assert written(ask_of())[0]["max_tokens"] == 8192


def test_instructions_stand_apart_wherever_they_came() -> None:
    developer = Message(Role.DEVELOPER, (Text("Be kind.", "1h"),))
    body, _ = written(ask_of(system("Be brief."), HI, developer, assistant(Text("Yes?")), HI))

    assert body["system"] == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]


def test_instructions_alone_are_a_question() -> None:
    body, _ = written(ask_of(system("Say hello.")))

    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]
    assert "system" not in body


def test_turns_of_one_side_become_one_and_results_come_first() -> None:
    call, result = ToolUse("t1", "look", '{"at":1}'), ToolResult("t1", (Text("a hill"),))

    assert messages_of(HI, assistant(Text("Let me see.")), assistant(call), user(Text("Well?")), user(result)) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a hill"}]},
                {"type": "text", "text": "Well?"},
            ],
        },
    ]


def test_texts_without_words_are_left_out() -> None:
    assert messages_of(HI, assistant(Text(" \n")), user(Text(""), Text("Well?"))) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Well?"}]},
    ]


def test_an_answer_to_go_on_with_ends_without_white_space() -> None:
    assert messages_of(HI, assistant(Text("It is: ")))[-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "It is:"}],
    }


def test_pictures_and_documents() -> None:
    text = Data("text/markdown", base64.b64encode("# Schnee ❄".encode()).decode())
    body, lost = written(
        ask_of(
            user(
                Image(Data("image/png", "QUJD"), cache=""),
                Image(Url("https://a.example/x.png"), "high"),
                Image(FileRef("file_1", OWN), "auto"),
                Document(Data("application/pdf", "QUJD"), "Report", cited=True),
                Document(text),
                Document(Url("https://a.example/x.pdf")),
                Document(FileRef("file_2", OWN)),
            )
        )
    )

    assert lost == ("image_detail",)
    assert body["messages"][0]["content"] == [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"},
            "title": "Report",
            "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# Schnee ❄"}},
        {"type": "document", "source": {"type": "url", "url": "https://a.example/x.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_2"}},
    ]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (Image(FileRef("file_1", "openai.responses")), Part.FILE_IDS),
        (Document(FileRef("file_1", "openai.responses")), Part.FILE_IDS),
        (Document(Data("application/msword", "QUJD")), Part.DOCUMENTS),
        (Audio(Data("audio/wav", "QUJD")), Part.AUDIO),
        (Video(Url("https://a.example/x.mp4")), Part.VIDEO),
        (Foreign("openai.responses", "web_search_call", msgspec.Raw(b"{}")), Part.FOREIGN),
    ],
)
def test_content_without_words_here_is_told(block: Block, part: Part) -> None:
    ask = ask_of(user(Text("Hi"), block))
    body, lost = written(ask)

    assert lost == (part.value,)
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    with pytest.raises(Refusal, match=part.value):
        write_ask(ask, Target(PROVIDER, BUDGETED), Losses(MEANINGS, "a target"))


def test_what_this_service_said_comes_back_byte_for_byte() -> None:
    searched = Foreign(OWN, "server_tool_use", msgspec.Raw(b'{"type":"server_tool_use","id":"s1"}'))
    thoughts = Thinking("Hm.", "c2ln", OWN), Thinking("", "ZGF0YQ==", OWN, redacted=True)

    assert messages_of(HI, assistant(*thoughts, searched, Text("So.")))[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "server_tool_use", "id": "s1"},
        {"type": "text", "text": "So."},
    ]


@pytest.mark.parametrize("thought", [Thinking("Hm."), Thinking("Hm.", "x", "gemini.generate"), Thinking("", None, OWN)])
def test_thoughts_that_this_service_did_not_sign_are_left_out(thought: Thinking) -> None:
    body, lost = written(ask_of(HI, assistant(thought, Text("So.")), HI))

    assert lost == ("thinking",)
    assert body["messages"][1]["content"] == [{"type": "text", "text": "So."}]


def test_a_refusal_of_an_earlier_turn_is_what_was_said() -> None:
    assert messages_of(HI, assistant(Refused("No.")), HI)[1]["content"] == [{"type": "text", "text": "No."}]


def test_a_call_id_of_another_service_fits_and_stays_the_same() -> None:
    calls = messages_of(
        HI, assistant(ToolUse("functions.look:0", "look", "")), user(ToolResult("functions.look:0", (Text("ok"),)))
    )

    assert calls[1]["content"][0] == {"type": "tool_use", "id": "functions_look_0", "name": "look", "input": {}}
    assert calls[2]["content"][0]["tool_use_id"] == "functions_look_0"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (ToolUse("t", "look", ""), {}),
        (ToolUse("t", "look", '{"a"'), {"input": '{"a"'}),
        (ToolUse("t", "look", "[1]"), {"input": "[1]"}),
    ],
)
def test_arguments_are_always_an_object(call: ToolUse, arguments: dict[str, str]) -> None:
    assert messages_of(HI, assistant(call))[1]["content"][0]["input"] == arguments


def test_what_this_service_alone_knows_may_stand_in_a_result() -> None:
    reference = Foreign(OWN, "tool_reference", msgspec.Raw(b'{"type":"tool_reference","tool_name":"look"}'))
    unknown = Foreign("openai.responses", "x", msgspec.Raw(b"{}"))
    body, lost = written(ask_of(HI, assistant(ToolUse("", "find", "")), user(ToolResult("", (reference, unknown)))))

    assert lost == ("foreign",)
    assert body["messages"][1]["content"][0]["id"] == "call"
    assert body["messages"][2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "call",
            "content": [{"type": "tool_reference", "tool_name": "look"}],
        }
    ]


def test_a_failed_tool_and_one_that_shows_something() -> None:
    failed = ToolResult("t1", (), is_error=True)
    shown = ToolResult("t2", (Image(Url("https://a.example/x.png")),), cache="5m")

    assert messages_of(HI, assistant(ToolUse("t1", "a", ""), ToolUse("t2", "b", "")), user(failed, shown))[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "is_error": True},
            {
                "type": "tool_result",
                "tool_use_id": "t2",
                "content": [{"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}}],
                "cache_control": {"type": "ephemeral", "ttl": "5m"},
            },
        ],
    }


def test_tools() -> None:
    strict = Tool("pick", schema=SCHEMA, strict=True, cache="")
    body, lost = written(ask_of(tools=(LOOK, SEE, strict)))

    assert lost == ()
    assert body["tools"] == [
        {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}},
        {"name": "see", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "pick",
            "strict": True,
            "input_schema": {
                "type": "object",
                "properties": {"a": {"type": "object", "additionalProperties": False}},
                "additionalProperties": False,
            },
            "cache_control": {"type": "ephemeral"},
        },
    ]
    assert "tool_choice" not in body


def test_a_tool_without_a_type_gets_one() -> None:
    bare = Tool("pick", schema=msgspec.Raw(b'{"properties":{}}'))

    assert written(ask_of(tools=(bare,)))[0]["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


def test_a_tool_for_free_text_cannot_be_said() -> None:
    assert written(ask_of(tools=(Tool("patch", "Patches.", custom=True),)))[1] == ("custom_tools",)


def test_strictness_is_lost_on_models_that_have_none() -> None:
    body, lost = written(ask_of(tools=(Tool("pick", schema=SCHEMA, strict=True),)), OLD)

    assert lost == ("strict_tools",)
    assert "strict" not in body["tools"][0]


def test_of_more_marks_than_claude_takes_the_first_are_left_out_and_told() -> None:
    marked = Text("a", "")
    result = ToolResult("t1", (Text("x", ""), Text("y")), cache="1h")
    asked = (user(marked, Text("b")), assistant(ToolUse("t1", "look", "{}", "")), user(result, marked))
    ask = ask_of(*asked, Message(Role.SYSTEM, (marked,)), tools=(Tool("look", cache=""),))

    body, lost = written(ask)

    assert lost == ("cache",)
    assert json.dumps(body).count("cache_control") == 4
    assert "cache_control" not in json.dumps([body["tools"], body["system"], body["messages"][0]])
    assert [block.get("cache_control") for block in body["messages"][2]["content"]] == [
        {"type": "ephemeral", "ttl": "1h"},
        {"type": "ephemeral"},
    ]


def test_four_marks_stay() -> None:
    body, lost = written(ask_of(user(*[Text(word, "5m") for word in "abcd"])))

    assert lost == ()
    assert json.dumps(body).count("cache_control") == 4


def test_hosted_tools() -> None:
    own = HostedTool(OWN, "web_search_20250305", msgspec.Raw(b'{"type":"web_search_20250305","name":"web_search"}'))
    other = HostedTool("openai.responses", "web_search", msgspec.Raw(b"{}"))

    assert written(ask_of(hosted_tools=(own,)))[0]["tools"] == [{"type": "web_search_20250305", "name": "web_search"}]
    body, lost = written(ask_of(hosted_tools=(other,)))
    assert (lost, "tools" in body) == (("web_search",), False)


@pytest.mark.parametrize(
    ("choice", "parallel", "told"),
    [
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("required"), None, {"type": "any"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("named", ("see",)), False, {"type": "tool", "name": "see", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), True, {"type": "auto"}),
    ],
)
def test_choices_of_tools(choice: ToolChoice | None, parallel: bool | None, told: dict[str, object]) -> None:
    body, lost = written(ask_of(tools=(LOOK, SEE), tool_choice=choice, parallel=parallel))

    assert (body["tool_choice"], lost) == (told, ())


@pytest.mark.parametrize(("mode", "told"), [("named", "any"), ("auto", "auto")])
def test_a_choice_among_some_tools_offers_no_others(mode: str, told: str) -> None:
    ask = ask_of(tools=(LOOK, SEE, Tool("hear")), tool_choice=ToolChoice(mode, ("look", "hear")))
    body, _ = written(ask)

    assert [tool["name"] for tool in body["tools"]] == ["look", "hear"]
    assert body["tool_choice"] == {"type": told}


def test_a_tool_that_must_be_called_but_is_not_there_is_told() -> None:
    assert written(ask_of(tool_choice=ToolChoice("required")))[1] == ("tool_choice",)
    assert written(ask_of(tool_choice=ToolChoice("named", ("look",))))[1] == ("tool_choice",)
    assert written(ask_of(tool_choice=ToolChoice("auto")))[1] == ()


def test_earlier_calls_are_explained_where_no_tools_are_offered() -> None:
    ask = ask_of(HI, assistant(ToolUse("t", "look", "{}")), user(ToolResult("t", (Text("ok"),))))
    body, _ = written(ask)

    assert body["tools"] == [{"name": "look", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "none"}


def test_an_answer_bound_to_a_schema() -> None:
    body, lost = written(ask_of(format=Format(SCHEMA, "pick")))

    assert lost == ()
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["output_config"]["format"]["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("model", "form", "part"), [(BUDGETED, Format(), Part.FORMAT), (OLD, Format(SCHEMA), Part.FORMAT_SCHEMA)]
)
def test_forms_that_cannot_be_demanded_are_told(model: str, form: Format, part: Part) -> None:
    body, lost = written(ask_of(format=form), model)

    assert (lost, "output_config" in body) == ((part.value,), False)


@pytest.mark.parametrize(
    ("ask", "thinking", "limit"),
    [
        (ask_of(effort="low"), {"type": "enabled", "budget_tokens": 2048}, 10240),
        (ask_of(effort="xhigh"), {"type": "enabled", "budget_tokens": 24000}, 32000),
        (ask_of(thinking_budget=5000, max_tokens=9000), {"type": "enabled", "budget_tokens": 5000}, 9000),
        (ask_of(thinking_budget=9000, max_tokens=8000), {"type": "enabled", "budget_tokens": 6000}, 8000),
        (ask_of(thinking_budget=10, max_tokens=1100), {"type": "enabled", "budget_tokens": 1024}, 1100),
        (ask_of(thinking_budget=-1), {"type": "enabled", "budget_tokens": 8192}, 16384),
    ],
)
def test_a_budget_for_thinking_is_less_than_the_limit(ask: Ask, thinking: dict[str, object], limit: int) -> None:
    body, lost = written(ask)

    assert (body["thinking"], body["max_tokens"], lost) == (thinking, limit, ())


@pytest.mark.parametrize(
    ("ask", "model", "lost"),
    [
        (ask_of(effort="none"), BUDGETED, ()),
        (ask_of(effort="none", thinking_budget=5000), BUDGETED, ()),
        (ask_of(thinking_budget=0), ADAPTIVE, ()),
        (ask_of(effort="high", max_tokens=1024), BUDGETED, ("effort",)),
        (ask_of(thinking_budget=2000), OLD, ("thinking_budget",)),
        (ask_of(effort="high", tools=(LOOK,), tool_choice=ToolChoice("required")), ADAPTIVE, ("effort",)),
        (ask_of(thinking_shown=True), ADAPTIVE, ()),
    ],
)
def test_no_thinking_is_asked_for(ask: Ask, model: str, lost: tuple[str, ...]) -> None:
    body, told = written(ask, model)

    assert ("thinking" in body, "output_config" in body, told) == (False, False, lost)


@pytest.mark.parametrize(
    ("ask", "model", "thinking", "effort"),
    [
        (ask_of(effort="minimal"), ADAPTIVE, {"type": "adaptive"}, "low"),
        (ask_of(effort="xhigh"), ADAPTIVE, {"type": "adaptive"}, "max"),
        (ask_of(effort="xhigh"), NEWEST, {"type": "adaptive"}, "xhigh"),
        (ask_of(thinking_budget=31999), NEWEST, {"type": "adaptive"}, "high"),
        (ask_of(effort="medium", thinking_shown=True), NEWEST, {"type": "adaptive", "display": "summarized"}, "medium"),
        (ask_of(effort="low", thinking_shown=False), NEWEST, {"type": "adaptive", "display": "omitted"}, "low"),
    ],
)
def test_newer_models_are_told_a_word(ask: Ask, model: str, thinking: dict[str, str], effort: str) -> None:
    body, lost = written(ask, model)

    assert (body["thinking"], body["output_config"], lost) == (thinking, {"effort": effort}, ())
    assert body["max_tokens"] == 8192


def test_a_model_that_always_thinks_is_asked_to_think_little() -> None:
    body, lost = written(ask_of(effort="none"), NEWEST)

    assert ("thinking" in body, body["output_config"], lost) == (False, {"effort": "low"}, ("effort",))


def test_no_budget_in_a_round_of_tools_that_began_without_thoughts() -> None:
    call, result = ToolUse("t", "look", "{}"), ToolResult("t", (Text("ok"),))
    thought = Thinking("Hm.", "c2ln", OWN)
    without = ask_of(HI, assistant(call), user(result), tools=(LOOK,), effort="low")
    with_one = ask_of(HI, assistant(thought, call), user(result), tools=(LOOK,), effort="low")

    stripped = ask_of(HI, assistant(Thinking("", "c2ln", OWN, partial=True), call), user(result), effort="low")

    assert (written(without)[0]["thinking"], written(without)[1]) == ({"type": "disabled"}, ("effort",))
    assert (written(with_one)[0]["thinking"]["type"], written(with_one)[1]) == ("enabled", ())
    assert (written(stripped)[0]["thinking"], written(stripped)[1]) == ({"type": "disabled"}, ("effort", "thinking"))


@pytest.mark.parametrize(
    ("told", "effort", "model", "kept", "lost"),
    [
        ({"temperature": b"0.5", "top_k": b"5"}, None, BUDGETED, {"temperature": 0.5, "top_k": 5}, ()),
        ({"temperature": b"0.5", "top_p": b"0.9"}, None, BUDGETED, {"temperature": 0.5}, ("top_p",)),
        ({"temperature": b"0.5", "top_p": b"1"}, None, BUDGETED, {"temperature": 0.5}, ()),
        ({"temperature": b"0.5", "top_p": b"0.9"}, None, OLD, {"temperature": 0.5, "top_p": 0.9}, ()),
        ({"temperature": b"1.5"}, None, OLD, {}, ("temperature",)),
        ({"top_p": b"0.9"}, None, BUDGETED, {"top_p": 0.9}, ()),
        ({"temperature": b"0", "top_p": b"0.5", "top_k": b"5"}, None, NEWEST, {}, ("temperature", "top_k", "top_p")),
        ({"temperature": b"1", "top_p": b"1"}, None, NEWEST, {}, ()),
        ({"temperature": b"0", "top_p": b"0.5"}, "low", OLD, {"temperature": 0, "top_p": 0.5}, ("effort",)),
        ({"temperature": b"0", "top_k": b"5"}, "low", BUDGETED, {}, ("temperature", "top_k")),
        ({"top_p": b"0.5"}, "low", BUDGETED, {}, ("top_p",)),
        ({"top_p": b"0.97"}, "low", BUDGETED, {"top_p": 0.97}, ()),
    ],
)  # fmt: skip
def test_samplers_as_each_generation_takes_them(
    told: dict[str, bytes], effort: str | None, model: str, kept: dict[str, float], lost: tuple[str, ...]
) -> None:
    body, dropped = written(ask_of(settings=settings(**told), effort=effort), model)

    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == kept
    assert dropped == lost


def test_a_temperature_that_is_no_number_is_refused() -> None:
    with pytest.raises(Refusal, match="temperature"):
        written(ask_of(settings=settings(temperature=b'"hot"')))


def test_a_stop_sequence_of_white_space_cannot_be_said() -> None:
    body, lost = written(ask_of(stop=("\n", "END")))

    assert (body["stop_sequences"], lost) == (["END"], ("stop",))


@pytest.mark.parametrize(("neutral", "tier"), [(b'"auto"', "auto"), (b'"default"', "standard_only")])
def test_service_tiers(neutral: bytes, tier: str) -> None:
    assert written(ask_of(settings=settings(service_tier=neutral)))[0]["service_tier"] == tier


@pytest.mark.parametrize(
    "part",
    [
        Part.SEED,
        Part.FREQUENCY_PENALTY,
        Part.PRESENCE_PENALTY,
        Part.LOGIT_BIAS,
        Part.LOGPROBS,
        Part.TOP_LOGPROBS,
        Part.N,
        Part.METADATA,
        Part.STORE,
        Part.SERVICE_TIER,
        Part.CACHE_KEY,
        Part.VERBOSITY,
        Part.PREDICTION,
    ],
)
def test_settings_without_words_here_are_told(part: Part) -> None:
    ask = ask_of(settings={part: msgspec.Raw(b'"flex"')})

    assert written(ask)[1] == (part.value,)


def test_names_of_participants_are_told() -> None:
    assert written(ask_of(Message(Role.USER, (Text("Hi"),), "ann")))[1] == ("names",)


def test_what_only_the_clients_format_knows_is_judged_first() -> None:
    assert written(ask_of(unknown=("mood",), others=("state",)))[1] == ("mood", "state")
