"""Ollama's chat and generate: what is asked, what it becomes, what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

import msgspec
import pytest

from unigate.conversation import (
    Answer,
    Ask,
    Asked,
    Audio,
    Begin,
    Block,
    Close,
    Data,
    Delta,
    Document,
    End,
    Event,
    FileRef,
    Foreign,
    Format,
    HostedTool,
    Image,
    Logprob,
    Message,
    Open,
    Reason,
    Refused,
    Role,
    Spent,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.collect import Collector, events_of
from unigate.dialects.losses import Losses, hint
from unigate.dialects.ollama_chat.answer_reader import ChatReader
from unigate.dialects.ollama_chat.answer_writer import chat_writer, generate_writer
from unigate.dialects.ollama_chat.dialect import CHAT, GENERATE
from unigate.dialects.ollama_chat.fields import GENERATE_FIELDS
from unigate.dialects.ollama_chat.meter import LineMeter
from unigate.dialects.ollama_chat.request_reader import read_ask, read_generate_ask
from unigate.dialects.ollama_chat.request_writer import write_ask
from unigate.dialects.ollama_chat.shelf import running_body, show_body, tags_body, version_body
from unigate.errors import Fault, Kind, Refusal, Told
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Quirks, Target
from unigate.usage import Usage
from unigate.wire.body import Body, decode_body

OWN = "ollama.chat"
ASKED = Asked("req_000000000123456789abcdef", "asked", 1_700_000_000)
HI = [{"role": "user", "content": "Hi"}]
SAID_HI = Message(Role.USER, (Text("Hi"),))
NAMES = {part.value: hint(part) for part in Part}

Json = dict[str, object]


def body_of(fields: Json) -> Body:
    return decode_body(json.dumps(fields).encode())


def asked(**fields: object) -> Ask:
    return read_ask(body_of({"model": "m", "messages": HI} | fields), "m", streamed=True)


def generated(**fields: object) -> Ask:
    return read_generate_ask(body_of({"model": "m", "prompt": "Hi"} | fields), "m", streamed=True)


def plain(raw: msgspec.Raw | None) -> object:
    return None if raw is None else json.loads(bytes(raw))


def refused(**fields: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        asked(**fields)
    return caught.value


# --- what is asked


def test_a_plain_question() -> None:
    ask = asked()

    assert (ask.model, ask.streamed, ask.messages) == ("m", True, (SAID_HI,))
    assert (ask.settings, ask.others, ask.unknown) == ({}, (), ())


def test_the_official_clients_empty_values_say_nothing() -> None:
    ask = asked(tools=[], format="", options={}, keep_alive=None, think=None, logprobs=False)

    assert (ask, ask.others, ask.unknown) == (asked(), (), ())


def test_pictures_are_told_by_their_first_bytes() -> None:
    images = ["iVBORw0K", "/9j/4AAQ", "R0lGODlh", "UklGRh4A", "AAAA", "data:image/avif;base64,BBBB"]
    ask = asked(messages=[{"role": "user", "content": "See", "images": images}])

    assert ask.messages[0].blocks == (
        Text("See"),
        Image(Data("image/png", "iVBORw0K")),
        Image(Data("image/jpeg", "/9j/4AAQ")),
        Image(Data("image/gif", "R0lGODlh")),
        Image(Data("image/webp", "UklGRh4A")),
        Image(Data("image/png", "AAAA")),
        Image(Data("image/avif", "BBBB")),
    )


def test_calls_and_results_find_each_other_without_ids() -> None:
    calls = [
        {"function": {"name": "look", "arguments": {"at": 1}}},
        {"id": "own", "function": {"name": "ask", "arguments": '{"q":1}', "index": 1}},
        {"function": {"name": "look"}},
    ]
    ask = asked(
        messages=[
            {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": calls},
            {"role": "tool", "content": "b", "tool_call_id": "own"},
            {"role": "tool", "content": "a", "tool_name": "look"},
            {"role": "tool", "content": "c"},
        ]
    )
    made = (
        ToolUse("call_1", "look", '{"at": 1}'),
        ToolUse("own", "ask", '{"q":1}'),
        ToolUse("call_3", "look", "{}"),
    )

    assert ask.messages == (
        Message(Role.ASSISTANT, (Thinking("Hm.", origin=OWN), *made)),
        Message(Role.USER, (ToolResult("own", (Text("b"),), name="ask"),)),
        Message(Role.USER, (ToolResult("call_1", (Text("a"),), name="look"),)),
        Message(Role.USER, (ToolResult("call_3", (Text("c"),), name="look"),)),
    )


def test_a_result_that_answers_nothing_has_an_id_all_the_same() -> None:
    ask = asked(messages=[{"role": "tool", "content": "a", "tool_name": "look"}])

    assert ask.messages[0].blocks == (ToolResult("call_1", (Text("a"),), name="look"),)


def test_tools_are_functions_and_what_else_there_is_is_hosted() -> None:
    schema = {"type": "object", "properties": {}}
    function = {"name": "f", "description": "F.", "parameters": schema}
    ask = asked(tools=[{"type": "function", "function": function}, {"function": {"name": "g"}}, {"type": "web_search"}])

    assert [(tool.name, tool.description, plain(tool.schema)) for tool in ask.tools] == [
        ("f", "F.", schema),
        ("g", None, None),
    ]
    assert [(tool.origin, tool.kind) for tool in ask.hosted_tools] == [(OWN, "web_search")]


def test_options_have_their_neutral_names() -> None:
    ask = asked(
        options={
            "temperature": 0,
            "top_p": 0.5,
            "top_k": 4,
            "seed": 7,
            "frequency_penalty": 1,
            "presence_penalty": 1,
            "num_predict": 9,
            "stop": "x",
            "num_ctx": 4096,
            "mirostat": None,
            "shoe": 1,
        },
        logprobs=True,
        top_logprobs=2,
        keep_alive="5m",
    )

    assert {part: plain(raw) for part, raw in ask.settings.items()} == {
        Part.TEMPERATURE: 0,
        Part.TOP_P: 0.5,
        Part.TOP_K: 4,
        Part.SEED: 7,
        Part.FREQUENCY_PENALTY: 1,
        Part.PRESENCE_PENALTY: 1,
        Part.LOGPROBS: True,
        Part.TOP_LOGPROBS: 2,
    }
    assert (ask.max_tokens, ask.stop) == (9, ("x",))
    assert (ask.others, ask.unknown) == (("options.num_ctx", "keep_alive"), ("options.shoe",))


def test_a_limit_below_zero_is_none() -> None:
    assert asked(options={"num_predict": -1, "stop": ["a", "b"]}).max_tokens is None


@pytest.mark.parametrize(
    ("think", "effort", "shown"),
    [(True, "medium", True), (False, "none", False), ("low", "low", True), ("max", "xhigh", True)],
)
def test_how_much_to_think(think: object, effort: str, shown: bool) -> None:
    ask = asked(think=think)

    assert (ask.effort, ask.thinking_shown) == (effort, shown)


def test_the_form_of_the_answer() -> None:
    bound = asked(format={"type": "object"}).format

    assert asked(format="json").format == Format()
    assert bound is not None
    assert plain(bound.schema) == {"type": "object"}


def test_a_prompt_is_a_chat_of_one_message() -> None:
    ask = generated(system="Be brief.", images=["AAAA"], options={"num_predict": 9}, template="", context=[], raw=False)

    assert ask.messages == (
        Message(Role.SYSTEM, (Text("Be brief."),)),
        Message(Role.USER, (Text("Hi"), Image(Data("image/png", "AAAA")))),
    )
    assert (ask.max_tokens, ask.others, ask.unknown) == (9, (), ())


@pytest.mark.parametrize("fields", [{"suffix": "x"}, {"template": "{{ .Prompt }}"}, {"raw": True}, {"context": [1]}])
def test_what_changes_a_prompt_for_ollama_alone_is_meaning(fields: Json) -> None:
    with pytest.raises(Refusal) as caught:
        Losses(GENERATE_FIELDS, "other").begin(generated(**fields))

    assert (caught.value.told.status, caught.value.told.param) == (422, next(iter(fields)))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "narrator"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"format": "yaml"}, "format"),
        ({"options": [1]}, "options"),
        ({"options": {"num_predict": "x"}}, "options.num_predict"),
        ({"think": 3}, "think"),
        ({"tools": [1]}, "tools[]"),
    ],
)
def test_bad_input_is_refused_by_its_place(fields: Json, param: str) -> None:
    refusal = refused(**fields)

    assert (refusal.told.status, refusal.told.param) == (400, param)


def test_broken_text_in_arguments_is_refused_or_made_readable() -> None:
    def arguments(told: bytes) -> Ask:
        call = b'{"function":{"name":"f","arguments":' + told + b"}}"
        return read_ask(decode_body(b'{"messages":[{"role":"assistant","tool_calls":[' + call + b"]}]}"), "m", False)

    with pytest.raises(Refusal) as caught:
        arguments(b'"\xff"')
    assert caught.value.told.param == "messages[].tool_calls[].function.arguments"
    assert arguments(b'{"a":"\xff"}').messages[0].blocks == (ToolUse("call_1", "f", '{"a":"\ufffd"}'),)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        generated(prompt="")

    assert (caught.value.told.status, caught.value.told.param) == (400, "prompt")


def test_unknown_fields_of_messages_are_told() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True}}

    assert asked(messages=[{"role": "user", "content": "Hi", "weight": 1}]).unknown == ("messages[].weight",)
    assert asked(tools=[tool]).unknown == ("tools[].function.strict",)


# --- what it becomes


def written(ask: Ask, effort_models: str = "") -> tuple[Json, tuple[str, ...]]:
    losses = Losses(NAMES, OWN)
    quirks = Quirks(effort_models=effort_models)
    target = Target(Provider(name="p", endpoints=(), key=Secret("k"), quirks=quirks), "m1")
    return json.loads(write_ask(ask, target, losses)), losses.dropped


def messages_of(*messages: Message) -> object:
    body, dropped = written(Ask(model="m", messages=messages))
    assert dropped == ()
    return body["messages"]


def test_whether_to_stream_is_always_said() -> None:
    plainly = {"model": "m1", "messages": HI, "stream": False}

    assert written(Ask(model="m", messages=(SAID_HI,))) == (plainly, ())
    assert written(Ask(model="m", messages=(SAID_HI,), streamed=True)) == ({**plainly, "stream": True}, ())


def test_turns_keep_their_order_and_results_are_told_by_the_name_of_their_tool() -> None:
    picture = Image(Data("image/png", "AAAA"))

    assert messages_of(
        Message(Role.DEVELOPER, (Text("Be brief."), Text("Be kind."))),
        Message(Role.ASSISTANT, (Thinking("Hm.", origin=OWN), Text("a"), Refused("b"), ToolUse("c1", "look", "{\n}"))),
        Message(Role.USER, (ToolResult("c1", (Text("see"), picture)), Text("Well?"))),
    ) == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {
            "role": "assistant",
            "content": "ab",
            "thinking": "Hm.",
            "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": {}}}],
        },
        {"role": "tool", "content": "see", "tool_call_id": "c1", "tool_name": "look"},
        {"role": "user", "content": "Well?", "images": ["AAAA"]},
    ]


def test_a_message_of_results_alone_leaves_no_message_behind() -> None:
    told = messages_of(Message(Role.USER, (ToolResult("c1", (Image(Data("image/png", "AAAA")),), name="look"),)))

    assert told == [
        {
            "role": "tool",
            "content": "The result is shown in the next message.",
            "tool_call_id": "c1",
            "tool_name": "look",
        },
        {"role": "user", "content": "", "images": ["AAAA"]},
    ]
    assert len(cast(list[Json], messages_of(Message(Role.USER, (ToolResult("c1", (Text("a"),)),))))) == 1


def test_a_text_file_is_told_as_its_text() -> None:
    assert messages_of(Message(Role.USER, (Document(Data("text/plain", "aGVsbG8=")),))) == [
        {"role": "user", "content": "hello"}
    ]


def test_settings_are_options() -> None:
    ask = Ask(
        model="m",
        messages=(SAID_HI,),
        settings={Part.TEMPERATURE: msgspec.Raw(b"0"), Part.LOGPROBS: msgspec.Raw(b"true")},
        max_tokens=9,
        stop=("x",),
        format=Format(msgspec.Raw(b'{"type":"object"}')),
    )
    body, _ = written(ask)

    assert body["options"] == {"temperature": 0, "num_predict": 9, "stop": ["x"]}
    assert (body["logprobs"], body["format"]) == (True, {"type": "object"})
    assert written(Ask(model="m", messages=(SAID_HI,), format=Format()))[0]["format"] == "json"


@pytest.mark.parametrize(
    ("fields", "think"),
    [
        ({"effort": "none"}, False),
        ({"effort": "minimal"}, "low"),
        ({"effort": "xhigh"}, "high"),
        ({"thinking_budget": 8000}, "medium"),
    ],
)
def test_how_much_to_think_is_a_word(fields: Json, think: object) -> None:
    ask = Ask(model="m", messages=(SAID_HI,))
    for name, value in fields.items():
        setattr(ask, name, value)

    assert written(ask)[0]["think"] == think


def test_a_model_that_does_not_think_is_told_so_only() -> None:
    low, none = (Ask(model="m", messages=(SAID_HI,), effort=effort) for effort in ("low", "none"))
    assert written(low, "^qwen")[1] == ("effort",)
    assert written(none, "^qwen")[0]["think"] is False


def test_tools_are_offered_as_functions_or_not_at_all() -> None:
    tools = (Tool("f", "F.", msgspec.Raw(b'{"type":"object"}')), Tool("g"))
    nothing = {"type": "object", "properties": {}}
    offered = [
        {"type": "function", "function": {"name": "f", "description": "F.", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "g", "description": "", "parameters": nothing}},
    ]

    def told(choice: ToolChoice | None) -> object:
        return written(Ask(model="m", messages=(SAID_HI,), tools=tools, tool_choice=choice))[0].get("tools")

    assert told(None) == told(ToolChoice("auto")) == offered
    assert told(ToolChoice("auto", ("g",))) == offered[1:]
    assert told(ToolChoice("none")) is None


def test_everything_it_has_no_words_for_is_told() -> None:
    pdf = Data("application/pdf", "AAAA")
    blocks: tuple[Block, ...] = (
        Text("a", cache=""),
        Image(Url("https://x/a.png"), "low"),
        Document(pdf, cited=True),
        Document(Url("https://x/a.pdf")),
        Document(FileRef("f", OWN)),
        Audio(Data("audio/wav", "AAAA")),
        Video(Data("video/mp4", "AAAA")),
        Foreign("openai.responses", "web_search_call", msgspec.Raw(b"{}")),
        Thinking("Hm.", "sig", "anthropic.messages"),
        ToolResult("c1", (), is_error=True),
    )
    unsayable = (
        Part.LOGIT_BIAS,
        Part.N,
        Part.METADATA,
        Part.STORE,
        Part.SERVICE_TIER,
        Part.CACHE_KEY,
        Part.VERBOSITY,
        Part.PREDICTION,
    )
    ask = Ask(
        model="m",
        messages=(Message(Role.USER, blocks, "Ann"),),
        settings=dict.fromkeys(unsayable, msgspec.Raw(b"1")),
        tools=(Tool("f", strict=True, cache=""),),
        hosted_tools=(HostedTool("openai.responses", "web_search", msgspec.Raw(b"{}")),),
        tool_choice=ToolChoice("required"),
        user="u",
        parallel=False,
        unknown=("shoe",),
    )
    missing = (
        Part.USER,
        Part.PARALLEL,
        Part.TOOL_CHOICE,
        Part.STRICT_TOOLS,
        Part.CACHE,
        Part.IMAGE_URLS,
        Part.IMAGE_DETAIL,
        Part.DOCUMENTS,
        Part.DOCUMENT_URLS,
        Part.DOCUMENT_CITATIONS,
        Part.FILE_IDS,
        Part.AUDIO,
        Part.VIDEO,
        Part.FOREIGN,
        Part.THINKING,
        Part.TOOL_ERRORS,
        Part.NAMES,
    )

    assert written(ask)[1] == tuple(sorted(["shoe", "web_search", *(part.value for part in (*unsayable, *missing))]))


# --- what is answered


def line(**message: object) -> Json:
    return {"model": "m1", "created_at": "x", "message": {"role": "assistant", "content": "", **message}, "done": False}


def last(reason: str = "stop", **counts: int) -> Json:
    return {**line(), "done": True, "done_reason": reason, **counts}


def stream(*lines: Json) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def events_in(content: bytes, size: int = 1000) -> list[Event]:
    reader = ChatReader(ASKED)
    found = [event for at in range(0, len(content), size) for event in reader.feed(content[at : at + size])]
    return found + reader.close()


SPOKEN = stream(
    line(thinking="Hm."),
    line(content="Hel"),
    line(content="lo"),
    line(tool_calls=[{"function": {"name": "f", "arguments": {"a": [1]}}}, {"id": "own", "function": {"name": "g"}}]),
    last(prompt_eval_count=3, eval_count=9),
)


def test_an_answer_comes_line_by_line() -> None:
    assert events_in(SPOKEN) == [
        Begin("", "m1"),
        Open(0, Thinking("", origin=OWN)),
        Delta(0, "Hm."),
        Close(0),
        Open(1, Text("")),
        Delta(1, "Hel"),
        Delta(1, "lo"),
        Close(1),
        Open(2, ToolUse("call_456789abcdef2", "f", "")),
        Delta(2, '{"a":[1]}'),
        Close(2),
        Open(3, ToolUse("own", "g", "")),
        Delta(3, "{}"),
        Close(3),
        Spent(Usage(3, 9)),
        End(Reason.TOOL_USE),
    ]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_any_cut_tells_the_same(size: int) -> None:
    assert events_in(SPOKEN, size) == events_in(SPOKEN)
    assert events_in(SPOKEN.rstrip(b"\n").replace(b"\n", b"\r\n\r\n"), size) == events_in(SPOKEN)


def test_a_whole_answer_and_a_generated_text() -> None:
    whole = {**line(content="Hello", thinking="Hm."), "done": True, "done_reason": "length"}
    text = {"model": "m1", "response": "Hello", "thinking": "Hm.", "done": True, "done_reason": "length"}
    expected = Answer("", "m1", (Thinking("Hm.", origin=OWN), Text("Hello")), Reason.LENGTH, None)

    for body in (whole, text):
        answer = ChatReader(ASKED).read(json.dumps(body).encode())
        assert msgspec.structs.replace(answer, usage=Usage()) == expected
        assert answer.usage == Usage(output_tokens=2, estimated=True)


def test_pictures_and_probabilities() -> None:
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Yo", "logprob": -2}]}
    answer = Collector(
        events_in(stream({**line(content="Hi", images=["iVBORw0K"]), "logprobs": [token]}, last()))
    ).answer()

    assert answer.blocks == (
        Text("Hi", logprobs=(Logprob("Hi", -0.5, (("Yo", -2.0),)),)),
        Image(Data("image/png", "iVBORw0K")),
    )


def test_one_line_may_hold_everything() -> None:
    calls = [{"id": "c1", "function": {"name": "f"}}]
    everything = line(thinking="Hm.", content="Hi", images=["iVBORw0K"], tool_calls=calls)

    assert events_in(stream(everything, line(content="a"), line(tool_calls=calls), last("length")))[1:-2] == [
        Open(0, Thinking("", origin=OWN)),
        Delta(0, "Hm."),
        Close(0),
        Open(1, Text("")),
        Delta(1, "Hi"),
        Close(1),
        Open(2, Image(Data("image/png", "iVBORw0K"))),
        Close(2),
        Open(3, ToolUse("c1", "f", "")),
        Delta(3, "{}"),
        Close(3),
        Open(4, Text("")),
        Delta(4, "a"),
        Close(4),
        Open(5, ToolUse("c1", "f", "")),
        Delta(5, "{}"),
        Close(5),
    ]


def test_a_call_that_was_cut_short_ended_at_the_limit() -> None:
    assert events_in(stream(line(tool_calls=[{"function": {"name": "f"}}]), last("length")))[-1] == End(Reason.LENGTH)


def test_what_a_cut_stream_has_said_is_counted_by_its_pieces() -> None:
    reader = ChatReader(ASKED)
    reader.feed(stream(line(thinking="a"), line(content="b"), line(tool_calls=[{"function": {"name": "f"}}])))

    assert reader.usage == Usage(output_tokens=3, estimated=True)


def test_a_stream_that_is_not_done_was_cut() -> None:
    reader = ChatReader(ASKED)
    reader.feed(stream(line(content="a")))

    with pytest.raises(Fault) as caught:
        reader.close()
    assert (caught.value.kind, reader.usage) == (Kind.TRUNCATED, Usage(output_tokens=1, estimated=True))


def test_what_follows_the_end_is_not_read() -> None:
    assert events_in(SPOKEN + stream(line(content="more"), last("length"))) == events_in(SPOKEN)


def test_an_error_is_a_fault_and_what_came_before_is_told_first() -> None:
    reader = ChatReader(ASKED)

    assert Delta(0, "a") in reader.feed(stream(line(content="a"), {"error": "out of memory"}))
    for more in (lambda: reader.feed(b""), reader.close):
        with pytest.raises(Fault, match="out of memory") as caught:
            more()
        assert caught.value.kind is Kind.FAILED
    with pytest.raises(Fault, match="out of memory"):
        ChatReader(ASKED).feed(stream({"error": "out of memory"}))


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b"{}", b'{"message":5}', stream(line(content="a"))])
def test_an_answer_that_is_none_is_a_fault(content: bytes) -> None:
    with pytest.raises(Fault) as caught:
        ChatReader(ASKED).read(content)

    assert caught.value.kind is Kind.INVALID


def test_a_count_that_is_none_is_rejected() -> None:
    answer = Collector(events_in(stream({**last(), "prompt_eval_count": -1, "eval_count": 9}))).answer()

    assert answer.usage.rejected


# --- how answers are written


def lines(content: bytes) -> list[Json]:
    assert content.endswith(b"\n")
    return [json.loads(one) for one in content.splitlines()]


def test_a_stream_is_written_line_by_line_and_a_call_comes_whole() -> None:
    head = {"model": "m1", "created_at": "2023-11-14T22:13:20Z"}
    events = [
        Begin("r1", "m1"),
        Open(0, Thinking("", origin="x")),
        Delta(0, "Hm."),
        Close(0),
        Open(1, Text("")),
        Delta(1, "Hi"),
        Close(1),
        Open(2, ToolUse("c1", "f", "")),
        Delta(2, '{"a":\n'),
        Delta(2, "1}"),
        Close(2),
        Spent(Usage(3, 4)),
        End(Reason.TOOL_USE),
    ]
    call = {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}

    def said(**message: object) -> Json:
        return {**head, "message": {"role": "assistant", "content": "", **message}, "done": False}

    assert lines(chat_writer(ASKED).write(events)) == [
        said(thinking="Hm."),
        said(content="Hi"),
        said(tool_calls=[call]),
        {**said(), "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4},
    ]


def test_a_generated_text_is_written_as_a_response() -> None:
    answer = Answer("r1", "", (Thinking("Hm."), Text("Hi")), Reason.LENGTH, None, Usage())
    head = {"model": "asked", "created_at": "2023-11-14T22:13:20Z"}
    done = {"done": True, "done_reason": "length"}

    assert json.loads(generate_writer(ASKED).whole(answer)) == {**head, "response": "Hi", "thinking": "Hm.", **done}
    assert lines(generate_writer(ASKED).write(events_of(answer))) == [
        {**head, "response": "", "thinking": "Hm.", "done": False},
        {**head, "response": "Hi", "done": False},
        {**head, "response": "", **done},
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [("", {}), ("null", {}), ('{"a":1}', {"a": 1}), ("[1]", {"input": "[1]"}), ("{", {"input": "{"})],
)
def test_arguments_are_always_an_object(arguments: str, told: object) -> None:
    answer = Answer("", "m", (ToolUse("c1", "f", arguments),), Reason.TOOL_USE)
    (call,) = json.loads(chat_writer(ASKED).whole(answer))["message"]["tool_calls"]

    assert call["function"]["arguments"] == told


def test_what_is_written_reads_as_it_was() -> None:
    blocks: Iterable[Block] = (
        Thinking("Hm.", origin=OWN),
        Text("Yes.", logprobs=(Logprob("Yes.", -0.5, (("Yes.", -0.5),)),)),
        Image(Data("image/png", "iVBORw0K")),
        ToolUse("c1", "f", '{"a":1}'),
        ToolUse("c2", "f", "{}"),
    )
    answer = Answer("", "m1", tuple(blocks), Reason.TOOL_USE, None, Usage(10, 8))

    assert Collector(events_in(chat_writer(ASKED).write(events_of(answer)))).answer() == answer
    assert ChatReader(ASKED).read(chat_writer(ASKED).whole(answer)) == answer


def test_calls_are_numbered() -> None:
    answer = Answer("", "m1", (ToolUse("c1", "f", "{}"), ToolUse("c2", "f", "{}")), Reason.TOOL_USE)
    told = json.loads(chat_writer(ASKED).whole(answer))["message"]["tool_calls"]

    assert [call["function"]["index"] for call in told] == [0, 1]


def test_refusals_are_text_and_what_others_alone_know_is_left_out() -> None:
    blocks = (Refused("No."), Foreign("openai.responses", "x", msgspec.Raw(b"{}")), Image(Url("https://x/a.png")))
    answer = Answer("", "m1", blocks, Reason.REFUSAL)

    assert json.loads(chat_writer(ASKED).whole(answer))["message"] == {"role": "assistant", "content": "No."}
    assert len(lines(chat_writer(ASKED).write(events_of(answer)))) == 2


# --- watched


def test_the_meter_passes_on_and_keeps_the_end() -> None:
    first, end = stream(line(content='"done":true')), stream(last(prompt_eval_count=3, eval_count=9))
    meter = LineMeter(shows_usage=False)

    assert meter.watch(first) == (first, b"")
    assert (meter.ended, meter.usage) == (False, Usage(output_tokens=1, estimated=True))
    assert meter.watch(first + end) == (first, end)
    assert (meter.ended, meter.usage) == (True, Usage(3, 9))


def test_the_meter_counts_every_line_it_passes_on() -> None:
    meter = LineMeter(shows_usage=False)
    meter.watch(stream({**line(content="a"), "x": {"error": 1}}, line(content="b")))

    assert meter.usage == Usage(output_tokens=2, estimated=True)


def test_the_meter_tells_an_error_before_and_within_an_answer() -> None:
    broken = stream({"error": "out of memory"})
    before, within = LineMeter(shows_usage=False), LineMeter(shows_usage=False)
    within.watch(stream(line(content="a")))

    with pytest.raises(Fault, match="out of memory"):
        before.watch(broken)
    assert within.watch(broken) == (b"", b"")
    assert within.fault is not None


def test_the_meter_reads_whole_answers() -> None:
    meter = LineMeter(shows_usage=False)
    meter.read(stream(last(prompt_eval_count=3, eval_count=9)))
    bare = LineMeter(shows_usage=False)
    bare.read(b"{}")

    assert (meter.usage, meter.ended, bare.usage) == (Usage(3, 9), True, Usage())
    for content in (b"<html>", stream({"error": "x"})):
        with pytest.raises(Fault):
            LineMeter(shows_usage=False).read(content)


# --- the rest


def test_errors_are_one_sentence() -> None:
    told = Told(status=404, code="c", message="No such model.")

    for dialect in (CHAT, GENERATE):
        assert json.loads(dialect.errors.body(told)) == {"error": "No such model."}
        assert dialect.errors.event(told) == b'{"error":"No such model."}\n'
        assert (dialect.streams_by_default, dialect.comments) == (True, False)
    assert CHAT.fault(404, {}, b'{"error":"model \'x\' not found"}').told.message == "model 'x' not found"


def test_the_shelf() -> None:
    (model,) = json.loads(tags_body(["m:latest"]))["models"]

    assert (model["name"], model["model"], len(model["digest"])) == ("m:latest", "m:latest", 64)
    assert json.loads(running_body()) == {"models": []}
    assert "completion" in json.loads(show_body("m"))["capabilities"]
    assert json.loads(version_body())["version"].count(".") == 2
