"""Answers of the Responses API, read and written; the types of the `openai` package judge what is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import msgspec
import pytest
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState  # pyright: ignore[reportPrivateImportUsage]
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Citation,
    Cited,
    Close,
    Data,
    Delta,
    End,
    Event,
    Foreign,
    Image,
    Logprob,
    Open,
    Reason,
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.collect import Collector, events_of
from unigate.dialects.openai_responses.answer_reader import ResponsesReader
from unigate.dialects.openai_responses.answer_writer import ResponsesWriter
from unigate.dialects.openai_responses.errors import error_event
from unigate.dialects.openai_responses.fields import OWN
from unigate.dialects.signatures import wrap
from unigate.errors import Fault, Kind, Told
from unigate.usage import Usage

ASKED = Asked("req_0123456789abcdef", "asked", 1_760_000_000, spaces={"crm__find": ("crm", "find")})
USAGE = Usage(9, 5, 4, 2, cache_write_tokens=1)
TOLD_USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}
JUDGE: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)

SEARCH = msgspec.Raw(
    b'{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}'
)
LIKELY = Logprob("Hi", -0.1, (("Hi", -0.1), ("Yo", -2.0)))
BLOCKS: dict[str, tuple[Block, ...]] = {
    "text": (Text("Hello, 世界."),),
    "two texts": (Text("One."), Text("Two.")),
    "a cited text": (Text("So.", citations=(Citation("https://x", "X", start=0, end=2),)),),
    "likely tokens": (Text("Hi", logprobs=(LIKELY,)),),
    "a refusal": (Text("Well."), Refused("No.")),
    "reasoning": (Thinking("Hm.", "sealed", OWN, id="rs_1"), Text("So.")),
    "silent reasoning": (Thinking("", "sealed", OWN, id="rs_1"), Text("So.")),
    "a call": (Text("I look."), ToolUse("a", "look", '{"at":1}')),
    "calls": (ToolUse("a", "look", '{"at":1}'), ToolUse("b", "crm__find", "{}"), ToolUse("c", "p", "*", custom=True)),
    "a picture": (Image(Data("image/png", "aGk=")), Text("There.")),
    "a hosted tool": (
        Foreign(OWN, "web_search_call", SEARCH),
        Text("Found."),
    ),
    "nothing": (),
}


def answer(*blocks: Block, reason: Reason = Reason.STOP) -> Answer:
    calls = any(isinstance(block, ToolUse) for block in blocks)
    refuses = any(isinstance(block, Refused) for block in blocks)
    end = Reason.TOOL_USE if calls else Reason.REFUSAL if refuses else reason
    return Answer("resp_1", "gpt-x", blocks, end, None, USAGE)


def stream(given: Answer, asked: Asked = ASKED) -> bytes:
    return ResponsesWriter(asked).write(events_of(given))


def told(content: bytes) -> list[dict[str, object]]:
    """The events of a written stream, each of which the SDK's types have accepted."""
    found: list[dict[str, object]] = []
    for event in content.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        JUDGE.validate_json(data.removeprefix("data: "))
        decoded = json.loads(data.removeprefix("data: "))
        assert name == f"event: {decoded['type']}"
        assert decoded["sequence_number"] == len(found)
        found.append(decoded)
    return found


def read(content: bytes, asked: Asked = ASKED) -> Answer:
    reader = ResponsesReader(asked)
    return Collector([*reader.feed(content), *reader.close()]).answer()


def events(*given: tuple[str, Mapping[str, object]]) -> bytes:
    return b"".join(f"data: {json.dumps({'type': type, **fields})}\n\n".encode() for type, fields in given)


def completed(*output: object, **fields: object) -> tuple[str, dict[str, object]]:
    response = {"id": "resp_1", "model": "gpt-x", "status": "completed", "output": output, "usage": TOLD_USAGE}
    return "response.completed", {"response": {**response, **fields}}


MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}


# --- written


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_written_can_be_read_again(name: str) -> None:
    given = answer(*BLOCKS[name])
    # What we write says of its tier of service that it is the ordinary one.
    read_again = msgspec.structs.replace(given, usage=msgspec.structs.replace(given.usage, tier=""))
    assert read(stream(given)) == read_again
    assert ResponsesReader(ASKED).read(ResponsesWriter(ASKED).whole(given)) == read_again


@pytest.mark.parametrize("name", BLOCKS)
def test_the_sdk_follows_a_written_stream(name: str) -> None:
    given = answer(*BLOCKS[name])
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in told(stream(given)):
        state.handle_event(JUDGE.validate_python(event))
    response = Response.model_validate_json(ResponsesWriter(ASKED).whole(given))
    assert response.output_text == "".join(block.text for block in given.blocks if isinstance(block, Text))


def test_a_stream_ends_with_the_whole_of_it() -> None:
    given = answer(*BLOCKS["reasoning"], *BLOCKS["calls"])
    assert told(stream(given))[-1]["response"] == json.loads(ResponsesWriter(ASKED).whole(given))


def test_the_events_of_a_text() -> None:
    kinds = [str(event["type"]) for event in told(stream(answer(Text("Hi."), Text("Yes."))))]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        *["response.content_part.added", "response.output_text.delta"],
        *["response.output_text.done", "response.content_part.done"],
        *["response.content_part.added", "response.output_text.delta"],
        *["response.output_text.done", "response.content_part.done"],
        "response.output_item.done",
        "response.completed",
    ]


def test_the_events_of_reasoning_and_a_call() -> None:
    given = answer(Thinking("Hm.", "sig", OWN), ToolUse("a", "look", "{}"))
    kinds = [str(event["type"]) for event in told(stream(given))][2:-1]
    assert kinds == [
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]


def test_a_message_ends_before_a_call_begins() -> None:
    found = told(stream(answer(Text("I look."), ToolUse("a", "look", "{}"))))
    ends = [event["type"] for event in found if str(event["type"]).startswith("response.output_item")]
    assert ends == ["response.output_item.added", "response.output_item.done"] * 2


def test_a_tool_has_its_namespace_back() -> None:
    (item,) = json.loads(ResponsesWriter(ASKED).whole(answer(ToolUse("b", "crm__find", ""))))["output"]
    assert (item["namespace"], item["name"], item["arguments"]) == ("crm", "find", "{}")


@pytest.mark.parametrize(
    ("thinking", "sealed"),
    [
        (Thinking("Hm.", "sig", OWN), "sig"),
        (Thinking("Hm.", "sig", "anthropic.messages"), wrap("sig", "anthropic.messages")),
        (Thinking("", "data", "anthropic.messages", True), wrap("data", "anthropic.messages redacted")),
        (Thinking("Hm.", None, "openai.chat"), wrap("", "openai.chat")),
        (Thinking("Hm.", None, OWN), None),
    ],
)
def test_a_signature_travels_with_the_name_of_its_maker(thinking: Thinking, sealed: str | None) -> None:
    (item,) = json.loads(ResponsesWriter(ASKED).whole(answer(thinking)))["output"]
    assert item.get("encrypted_content") == sealed


def test_what_another_format_alone_understands_is_left_out() -> None:
    foreign = Foreign("anthropic.messages", "server_tool_use", msgspec.Raw(b"{}"))
    assert read(stream(answer(foreign, Text("Hi.")))).blocks == (Text("Hi."),)


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        (Reason.STOP, "completed", None),
        (Reason.STOP_SEQUENCE, "completed", None),
        (Reason.PAUSE, "completed", None),
        (Reason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (Reason.FILTER, "incomplete", {"reason": "content_filter"}),
        (Reason.REFUSAL, "incomplete", {"reason": "content_filter"}),
    ],
)
def test_why_an_answer_ended(reason: Reason, status: str, why: object) -> None:
    last = told(stream(answer(Text("Hi"), reason=reason)))[-1]
    response = json.loads(ResponsesWriter(ASKED).whole(answer(Text("Hi"), reason=reason)))
    assert last["type"] == f"response.{status}"
    assert (response["status"], response["incomplete_details"]) == (status, why)
    assert response["output"][0]["status"] == status


def test_a_response_repeats_its_request_and_tells_its_usage() -> None:
    asked = msgspec.structs.replace(ASKED, echo={"temperature": msgspec.Raw(b"0.5"), "tools": msgspec.Raw(b"[{}]")})
    response = json.loads(ResponsesWriter(asked).whole(answer(Text("Hi."))))
    assert (response["temperature"], response["tools"], response["top_p"]) == (0.5, [{}], None)
    assert response["usage"] == TOLD_USAGE


def test_an_unknown_usage_is_not_zero() -> None:
    given = Answer("", "", (Text("Hi."),), Reason.STOP, None, Usage(output_tokens=1, estimated=True))
    response = json.loads(ResponsesWriter(ASKED).whole(given))
    assert (response["usage"], response["id"], response["model"]) == (None, "resp_req_0123456789abcdef", "asked")


def test_calls_told_side_by_side_keep_their_places() -> None:
    given: list[Event] = [Begin("resp_1", "m"), Open(0, ToolUse("a", "x", "")), Open(1, ToolUse("b", "y", ""))]
    given += [Delta(1, "[1]"), Delta(0, "[0]"), Close(1), Close(0), Spent(USAGE), End(Reason.TOOL_USE)]
    output = read(ResponsesWriter(ASKED).write(given)).blocks
    assert output == (ToolUse("a", "x", "[0]"), ToolUse("b", "y", "[1]"))


def test_an_error_is_told_in_both_of_its_forms() -> None:
    limited = Told(status=429, code="upstream_rate_limited", message="Later.", type="rate_limit_error", call_id="req_7")
    content = error_event(limited)
    error, failed = told(content)
    assert (error["message"], error["code"]) == ("Later.", "upstream_rate_limited")
    assert error["error"] == {
        "type": "rate_limit_error",
        "code": "upstream_rate_limited",
        "message": "Later.",
        "param": None,
    }
    assert isinstance(failed["response"], dict)
    assert failed["response"]["id"] == "resp_req_7"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Later."}


# --- read


@pytest.mark.parametrize("name", BLOCKS)
def test_any_cut_gives_the_same_events(name: str) -> None:
    content = stream(answer(*BLOCKS[name]))
    whole = ResponsesReader(ASKED)
    expected = [*whole.feed(content), *whole.close()]
    for size in (1, 7, 1000):
        reader = ResponsesReader(ASKED)
        found = [one for at in range(0, len(content), size) for one in reader.feed(content[at : at + size])]
        assert [*found, *reader.close()] == expected


def test_a_stream_that_tells_only_its_end_is_enough() -> None:
    assert read(events(completed(MESSAGE))) == answer(Text("Hi."))


def test_a_stream_without_indices_is_followed_by_ids() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "look", "arguments": ""}
    content = events(
        ("response.created", {"response": {"id": "resp_1", "model": "gpt-x"}}),
        ("response.output_item.added", {"item": {"type": "message", "id": "msg_1"}}),
        ("response.output_text.delta", {"item_id": "msg_1", "delta": "I "}),
        ("response.output_text.delta", {"item_id": "msg_1", "delta": "look."}),
        ("response.output_item.added", {"item": call}),
        ("response.function_call_arguments.delta", {"item_id": "fc_1", "delta": "{}"}),
        completed(),
    )
    assert read(content) == answer(Text("I look."), ToolUse("a", "look", "{}"))


def test_items_that_are_told_only_when_they_are_done() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "Hm."}], "encrypted_content": "sealed"}
    done = [
        ("response.output_item.done", {"output_index": at, "item": item})
        for at, item in enumerate((reasoning, MESSAGE, call))
    ]
    assert read(events(*done, completed())) == answer(
        Thinking("Hm.", "sealed", OWN, id="rs_1"), Text("Hi."), ToolUse("a", "look", "{}")
    )


def test_paragraphs_of_reasoning() -> None:
    deltas = [
        ("response.reasoning_summary_text.delta", {"output_index": 0, "summary_index": at, "delta": text})
        for at, text in ((0, "One"), (0, "."), (1, "Two."))
    ]
    assert read(events(*deltas, completed())).blocks == (Thinking("One.\n\nTwo.", None, OWN),)


def test_open_reasoning_is_read_as_well() -> None:
    delta = ("response.reasoning_text.delta", {"output_index": 0, "content_index": 0, "delta": "Hm."})
    assert read(events(delta, completed())).blocks == (Thinking("Hm.", None, OWN),)


def test_empty_deltas_and_the_progress_of_hosted_tools_are_no_events() -> None:
    content = events(
        ("response.web_search_call.searching", {"output_index": 0, "item_id": "ws_1"}),
        ("response.output_text.delta", {"output_index": 1, "delta": ""}),
        ("response.mcp_call_arguments.delta", {"output_index": 1, "delta": {"odd": True}}),
    )
    assert ResponsesReader(ASKED).feed(content) == []


def test_citations_come_as_they_are_told_or_at_the_end_of_their_text() -> None:
    note = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 2}
    part = {"type": "output_text", "text": "So.", "annotations": [note]}
    delta = ("response.output_text.delta", {"output_index": 0, "delta": "So."})
    added = ("response.output_text.annotation.added", {"output_index": 0, "annotation": note})
    done = ("response.content_part.done", {"output_index": 0, "content_index": 0, "part": part})
    for content in (events(delta, added, done), events(delta, done)):
        assert ResponsesReader(ASKED).feed(content) == [
            Open(0, Text("")),
            Delta(0, "So."),
            Cited(0, Citation("https://x", "X", start=0, end=2)),
            Close(0),
        ]


def test_a_signature_comes_with_the_finished_item() -> None:
    nothing: list[object] = []
    item = {"type": "reasoning", "id": "rs_1", "summary": nothing, "encrypted_content": "final"}
    begun = {**item, "encrypted_content": "not yet"}
    content = events(
        ("response.output_item.added", {"output_index": 0, "item": begun}),
        ("response.output_item.done", {"output_index": 0, "item": item}),
    )
    assert ResponsesReader(ASKED).feed(content) == [
        Open(0, Thinking("", None, OWN, id="rs_1")),
        Signed(0, "final"),
        Close(0),
    ]


def test_a_call_without_an_id_has_one_invented() -> None:
    call = {"type": "function_call", "name": "look", "arguments": "{}"}
    assert read(events(completed(call))).blocks == (ToolUse("call_456789abcdef0", "look", "{}"),)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, Reason.LENGTH),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, Reason.FILTER),
        ({"status": "completed"}, Reason.STOP),
    ],
)
def test_why_a_read_answer_ended(fields: dict[str, object], reason: Reason) -> None:
    assert read(events(completed(MESSAGE, **fields))).reason is reason


def test_no_usage_is_estimated() -> None:
    delta = ("response.output_text.delta", {"output_index": 0, "delta": "Hi."})
    assert read(events(delta, completed(usage=None))).usage == Usage(output_tokens=1, estimated=True)


FAILED = {"code": "rate_limit_exceeded", "message": "Later."}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (events(("response.failed", {"response": {"status": "failed", "error": FAILED}})), Kind.LIMITED),
        (events(("error", FAILED)), Kind.LIMITED),
        (events(("error", {"error": FAILED})), Kind.LIMITED),
        (b'data: {"error":{"code":"server_error","message":"Sorry."}}\n\n', Kind.FAILED),
        (events(("response.output_text.delta", {"output_index": 0, "delta": "Hi"})), Kind.TRUNCATED),
        (b"data: {not json}\n\n", Kind.INVALID),
        (events(("response.output_text.delta", {"delta": {}})), Kind.INVALID),
        (events(completed({"type": "message", "content": 7})), Kind.INVALID),
    ],
)
def test_a_stream_that_fails_is_a_fault(content: bytes, kind: Kind) -> None:
    with pytest.raises(Fault) as raised:
        read(content)
    assert raised.value.kind is kind


def test_a_failure_is_told_after_what_came_before_it() -> None:
    reader = ResponsesReader(ASKED)
    delta = ("response.output_text.delta", {"output_index": 0, "delta": "So"})
    assert reader.feed(events(delta, ("error", FAILED))) == [Open(0, Text("")), Delta(0, "So")]
    for _ in range(2):
        with pytest.raises(Fault) as raised:
            reader.close()
        assert raised.value.kind is Kind.LIMITED


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"status": "failed", "error": FAILED, "output": []}, Kind.LIMITED),
        ({"error": FAILED}, Kind.LIMITED),
        ({"type": "server_error", "code": "server_error", "message": "Sorry."}, Kind.FAILED),
        ({"status": "cancelled", "output": []}, Kind.FAILED),
        ({"choices": []}, Kind.INVALID),
    ],
)
def test_a_whole_answer_that_fails_is_a_fault(body: Iterable[object], kind: Kind) -> None:
    with pytest.raises(Fault) as raised:
        ResponsesReader(ASKED).read(json.dumps(body).encode())
    assert raised.value.kind is kind
