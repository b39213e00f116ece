"""Gemini's answers, read, written and watched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

import msgspec
import pytest

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
    Document,
    End,
    Event,
    FileRef,
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
    Url,
)
from unigate.dialects.collect import Collector, events_of
from unigate.dialects.gemini_generate.answer_reader import GenerateReader
from unigate.dialects.gemini_generate.answer_writer import ArrayWriter, EventWriter
from unigate.dialects.gemini_generate.meter import GenerateMeter
from unigate.dialects.signatures import wrap
from unigate.errors import Fault, Kind
from unigate.usage import Usage

OWN = "gemini.generate"
ASKED = Asked("req_000000000123456789abcdef", "asked", 1_700_000_000)
COUNTS = {
    "promptTokenCount": 9,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 6,
    "toolUsePromptTokenCount": 2,
    "cachedContentTokenCount": 3,
    "totalTokenCount": 21,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}, {"modality": "AUDIO", "tokenCount": 1}],
}
SPENT = Usage(11, 10, 3, 6, audio_input_tokens=1)
ERROR = {"error": {"code": 503, "message": "Too busy.", "status": "UNAVAILABLE"}}

Json = dict[str, object]


def chunk(*parts: object, finish: object = None, **candidate: object) -> Json:
    """One event of a stream."""
    told: Json = {"content": {"parts": list(parts), "role": "model"}, "index": 0, **candidate}
    if finish is not None:
        told["finishReason"] = finish
    return {"candidates": [told], "usageMetadata": COUNTS, "modelVersion": "gemini-x", "responseId": "r1"}


def stream(*chunks: object) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in chunks)


def events_in(content: bytes) -> list[Event]:
    reader = GenerateReader(ASKED)
    return well_formed(reader.feed(content) + reader.close())


def well_formed(events: list[Event]) -> list[Event]:
    """The events, if one block after the other opens, goes on and closes."""
    following, opened = 0, None
    for event in events:
        match event:
            case Open(index):
                assert (index, opened) == (following, None)
                following, opened = index + 1, index
            case Delta(index) | Signed(index) | Cited(index):
                assert index == opened
            case Close(index):
                assert index == opened
                opened = None
            case _:
                pass
    assert opened is None
    return events


def read(*chunks: object) -> Answer:
    return Collector(events_in(stream(*chunks))).answer()


def blocks(*parts: object) -> tuple[Block, ...]:
    return read(chunk(*parts, finish="STOP")).blocks


# --- read


def test_an_answer_comes_piece_by_piece() -> None:
    assert events_in(stream(chunk({"text": "Hel"}), chunk({"text": "lo"}), chunk({"text": ""}, finish="STOP"))) == [
        Begin("r1", "gemini-x"),
        Spent(SPENT),
        Open(0, Text("")),
        Delta(0, "Hel"),
        Delta(0, "lo"),
        Close(0),
        Spent(SPENT),
        End(Reason.STOP),
    ]


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_any_cut_and_any_line_end_tell_the_same(end: bytes, size: int) -> None:
    content = stream(chunk({"text": "Hel"}), chunk({"text": "lo"}, finish="STOP"))
    reader = GenerateReader(ASKED)
    cut = content.replace(b"\r\n\r\n", end)
    found = [event for at in range(0, len(cut), size) for event in reader.feed(cut[at : at + size])]

    assert found + reader.close() == events_in(content)


def test_an_array_and_a_whole_answer_tell_the_same_as_a_stream() -> None:
    items = [chunk({"text": "Hel"}), chunk({"text": "lo"}, finish="STOP")]
    whole = chunk({"text": "Hello"}, finish="STOP")

    assert events_in(b" [" + b"\n,\r\n".join(json.dumps(item).encode() for item in items) + b"\n]") == events_in(
        stream(*items)
    )
    assert GenerateReader(ASKED).read(json.dumps(whole, indent=2).encode()) == read(*items)
    assert GenerateReader(ASKED).read(json.dumps(items).encode()) == read(*items)


def test_thoughts_text_and_calls_are_blocks_of_their_own() -> None:
    assert blocks(
        {"text": "Hm, ", "thought": True},
        {"text": "yes.", "thought": True},
        {"text": "Look:"},
        {"functionCall": {"name": "look", "args": {"at": [1, 2]}, "id": "c1"}},
        {"functionCall": {"name": "look"}},
    ) == (
        Thinking("Hm, yes.", origin=OWN),
        Text("Look:"),
        ToolUse("c1", "look", '{"at":[1,2]}'),
        ToolUse("call_456789abcdef3", "look", "{}"),
    )


def test_a_signature_is_a_thought_before_what_it_hangs_on() -> None:
    call = {"functionCall": {"name": "f", "id": "c1"}, "thoughtSignature": "Y2FsbA=="}

    assert blocks({"text": "a"}, {"text": "b", "thoughtSignature": "dGV4dA=="}, call) == (
        Text("a"),
        Thinking("", "dGV4dA==", OWN),
        Text("b"),
        Thinking("", "Y2FsbA==", OWN),
        ToolUse("c1", "f", "{}"),
    )
    assert blocks({"text": "a"}, {"text": "", "thoughtSignature": "ZW5k"}) == (Text("a"), Thinking("", "ZW5k", OWN))
    assert blocks({"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"}) == (Thinking("Hm.", "c2ln", OWN),)


def test_arguments_may_come_in_pieces() -> None:
    def piece(path: str, **value: object) -> Json:
        return {"partialArgs": [{"jsonPath": path, **value}], "willContinue": True}

    calls = [
        {"name": "f", "willContinue": True},
        piece("$.city", stringValue="New ", willContinue=True),
        piece("$.city", stringValue="York"),
        piece("$.days[1]['n']", numberValue=2),
        piece("$.days[0].dry", boolValue=True),
        {},
        {"name": "g", "args": {}},
    ]

    far = {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.a[999999]", "boolValue": True}]}}
    assert blocks(far, {"functionCall": {}}) == (ToolUse("call_456789abcdef0", "f", '{"a":[]}'),)
    assert blocks(*({"functionCall": call} for call in calls)) == (
        ToolUse("call_456789abcdef0", "f", '{"city":"New York","days":[{"dry":true},{"n":2}]}'),
        ToolUse("call_456789abcdef1", "g", "{}"),
    )


def test_arguments_that_never_end_are_taken_as_they_are() -> None:
    begun = {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": True}
    made = ToolUse("call_456789abcdef0", "f", '{"a":"x"}')

    assert blocks({"functionCall": begun}) == (made,)
    assert blocks({"functionCall": begun}, {"text": "b"}) == (made, Text("b"))
    assert blocks({"functionCall": begun}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}})[0] == made
    assert blocks({"functionCall": begun}, {"functionCall": {"name": "g", "id": "c2"}}) == (
        made,
        ToolUse("c2", "g", "{}"),
    )


def test_a_signed_thought_is_complete() -> None:
    signed = {"text": "a", "thought": True, "thoughtSignature": "MQ=="}

    assert blocks(signed, {"text": "b", "thought": True}, {"fileData": {"fileUri": "https://x/a.png"}}) == (
        Thinking("a", "MQ==", OWN),
        Thinking("b", origin=OWN),
        Document(Url("https://x/a.png")),
    )


def test_pictures_and_what_googles_tools_did_come_whole() -> None:
    code = {"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"}
    picture, foreign = blocks({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, code)

    assert picture == Image(Data("image/png", "AAAA"))
    assert isinstance(foreign, Foreign)
    assert (foreign.kind, json.loads(bytes(foreign.raw))) == ("executableCode", code)


def test_citations_count_characters() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://x", "title": "X"}}, {"retrievedContext": {"title": "D"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 2, "endIndex": 5, "text": "bcd"}, "groundingChunkIndices": [0, 1]}
        ],
    }
    recited = {"citationSources": [{"startIndex": 0, "endIndex": 3, "uri": "https://y"}]}
    told = (
        Citation("https://x", "X", "bcd", 1, 4),
        Citation(None, "D", "bcd", 1, 4),
        Citation("https://y", None, None, 0, 2),
    )
    last = chunk({"text": "", "thoughtSignature": "ZW5k"}, finish="STOP", groundingMetadata=grounding)

    call = {"functionCall": {"name": "f", "id": "c1"}}
    whole = chunk({"text": "äbcd"}, call, finish="STOP", groundingMetadata=grounding, citationMetadata=recited)
    assert read(whole).blocks == (Text("äbcd", None, told), ToolUse("c1", "f", "{}"))
    assert read(chunk({"text": "äbcd"}), last).blocks[0] == Text("äbcd", None, told[:2])


def test_citations_told_early_or_twice_are_told_once() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://x"}}],
        "groundingSupports": [{"segment": {"endIndex": 1}, "groundingChunkIndices": [0, 7]}],
    }
    early = chunk({"text": "ab"}, groundingMetadata=grounding)
    again = chunk({"text": "c"}, groundingMetadata=grounding)

    assert read(early, again, chunk({"text": "d"}, finish="STOP")).blocks == (
        Text("abcd", None, (Citation("https://x", None, None, 0, 1),)),
    )


def test_probabilities_come_with_the_text() -> None:
    result = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        "topCandidates": [
            {"candidates": [{"token": "Hi", "logProbability": -0.5}, {"token": "Yo", "logProbability": -2}]}
        ],
    }

    assert read(chunk({"text": "Hi"}, finish="STOP", logprobsResult=result)).blocks == (
        Text("Hi", logprobs=(Logprob("Hi", -0.5, (("Hi", -0.5), ("Yo", -2.0))),)),
    )


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", Reason.STOP),
        (1, Reason.STOP),
        ("MAX_TOKENS", Reason.LENGTH),
        ("SAFETY", Reason.FILTER),
        ("RECITATION", Reason.FILTER),
        ("SPII", Reason.FILTER),
        ("A_REASON_OF_TOMORROW", Reason.FILTER),
    ],
)
def test_why_an_answer_ended(finish: object, reason: Reason) -> None:
    assert read(chunk({"text": "a"}, finish=finish)).reason is reason


def test_a_call_is_why_an_answer_ended() -> None:
    assert read(chunk({"functionCall": {"name": "f"}}, finish="STOP")).reason is Reason.TOOL_USE
    assert read(chunk({"functionCall": {"name": "f"}}, finish="MAX_TOKENS")).reason is Reason.LENGTH


def test_a_blocked_prompt_and_a_content_without_parts_are_filtered_answers() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
    bare = {"candidates": [{"content": {}, "finishReason": "SAFETY"}], "usageMetadata": {"promptTokenCount": 3}}

    for one in (blocked, bare):
        answer = GenerateReader(ASKED).read(json.dumps(one).encode())
        assert (answer.blocks, answer.reason, answer.usage) == ((), Reason.FILTER, Usage(3, 0))
        assert read(one) == answer


def test_a_call_that_makes_no_sense_is_a_fault() -> None:
    with pytest.raises(Fault, match="UNEXPECTED_TOOL_CALL: No such tool") as caught:
        read(chunk({"functionCall": {"name": "f"}}, finish="UNEXPECTED_TOOL_CALL", finishMessage="No such tool."))

    assert caught.value.kind is Kind.INVALID


def test_a_stream_without_a_reason_to_end_was_cut() -> None:
    reader = GenerateReader(ASKED)
    reader.feed(stream({**chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 9, "thoughtsTokenCount": 5}}))

    with pytest.raises(Fault) as caught:
        reader.close()
    assert (caught.value.kind, reader.usage) == (Kind.TRUNCATED, Usage(9, 6, None, 5, estimated=True))


def test_what_a_cut_stream_has_said_is_counted_by_its_pieces() -> None:
    reader = GenerateReader(ASKED)
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    parts = ({"text": "Hm.", "thought": True}, {"text": "a"}, picture, {"functionCall": {"name": "f"}})
    reader.feed(stream({**chunk(*parts), "usageMetadata": None}))

    assert reader.usage == Usage(output_tokens=4, estimated=True)


def test_an_array_without_its_end_was_cut() -> None:
    reader = GenerateReader(ASKED)
    reader.feed(b"[" + json.dumps(chunk({"text": "a"}, finish="STOP")).encode())

    with pytest.raises(Fault) as caught:
        reader.close()
    assert caught.value.kind is Kind.TRUNCATED


def test_an_event_of_two_lines_is_one_event_however_it_is_cut() -> None:
    told = json.dumps(chunk({"text": "a"}, finish="STOP")).encode()
    before, bracket, after = told.partition(b"[")
    first, second = b"data: " + before + b"\r\n", b"data: " + bracket + after + b"\r\n\r\n"
    reader = GenerateReader(ASKED)

    assert reader.feed(first) + reader.feed(second) + reader.close() == events_in(stream(json.loads(told)))
    assert events_in(first + second) == events_in(stream(json.loads(told)))


def test_comments_between_events_say_nothing() -> None:
    told = stream(chunk({"text": "a"}))

    assert events_in(told + b": waiting\r\n\r\n" + stream(chunk(finish="STOP"))) == events_in(
        told + stream(chunk(finish="STOP"))
    )


def test_a_whole_answer_that_does_not_say_why_it_ended_has_ended() -> None:
    assert GenerateReader(ASKED).read(json.dumps(chunk({"text": "a"})).encode()).reason is Reason.STOP


@pytest.mark.parametrize(
    "content",
    [
        stream(ERROR),
        json.dumps(ERROR, indent=2).encode(),
        b"[" + json.dumps(ERROR).encode() + b"]",
    ],
)
def test_an_error_instead_of_an_answer_is_a_fault(content: bytes) -> None:
    with pytest.raises(Fault) as caught:
        events_in(content)

    assert (caught.value.kind, str(caught.value)) == (Kind.OVERLOADED, "The upstream failed (HTTP 503): Too busy.")


def test_what_came_before_an_error_is_told_first() -> None:
    reader = GenerateReader(ASKED)
    found = reader.feed(stream(chunk({"text": "a"}), ERROR))

    assert Delta(0, "a") in found
    with pytest.raises(Fault):
        reader.feed(b"")
    with pytest.raises(Fault):
        reader.close()


@pytest.mark.parametrize(
    "content", [b"data: [1]\n\n", b"data: {\n\n", b'data: {"candidates":[{"content":[]}]}\n\n', b"[1]"]
)
def test_a_chunk_that_is_none_is_a_fault(content: bytes) -> None:
    with pytest.raises(Fault) as caught:
        events_in(content)

    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"<html>", b'{"candidates":[]}', b'{"candidates":5}'])
def test_a_whole_answer_that_is_none_is_a_fault(content: bytes) -> None:
    with pytest.raises(Fault) as caught:
        GenerateReader(ASKED).read(content)

    assert caught.value.kind is Kind.INVALID


# --- written


def told(events: Iterable[Event]) -> list[Json]:
    """What a stream's events hold."""
    content = EventWriter(ASKED).write(events)
    assert content.endswith(b"\r\n\r\n")
    return [json.loads(event.removeprefix(b"data: ")) for event in content.split(b"\r\n\r\n")[:-1]]


def whole(*given: Block, reason: Reason = Reason.STOP, usage: Usage = SPENT) -> Json:
    return json.loads(EventWriter(ASKED).whole(Answer("r1", "m1", given, reason, None, usage)))


def parts_of(body: Json) -> object:
    content = cast(Json, cast(list[Json], body["candidates"])[0]["content"])
    return content["parts"]


def test_a_stream_is_written_chunk_by_chunk() -> None:
    end = {"modelVersion": "m1", "responseId": "r1"}

    assert told([Begin("r1", "m1"), Open(0, Text("")), Delta(0, "Hi\n")]) == [
        {"candidates": [{"content": {"parts": [{"text": "Hi\n"}], "role": "model"}, "index": 0}], **end}
    ]
    assert told([Begin("", ""), Spent(Usage(3, 4)), End(Reason.LENGTH)]) == [
        {
            "candidates": [
                {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
            ],
            "usageMetadata": {
                "promptTokenCount": 3,
                "candidatesTokenCount": 4,
                "totalTokenCount": 7,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
            },
            "modelVersion": "asked",
            "responseId": ASKED.id,
        }
    ]


def test_thoughts_and_calls_are_parts_and_a_call_comes_whole() -> None:
    events = [
        Begin("r1", "m1"),
        Open(0, Thinking("", origin="x")),
        Delta(0, "Hm."),
        Signed(0, "sig"),
        Close(0),
        Open(1, ToolUse("c1", "f", "")),
        Delta(1, '{"a":\n'),
        Delta(1, "1}"),
        Close(1),
        End(Reason.TOOL_USE),
    ]
    call = {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}, "thoughtSignature": wrap("sig", "x")}

    assert [parts_of(one) for one in told(events)] == [[{"text": "Hm.", "thought": True}], [call], [{"text": ""}]]
    assert told(events)[2]["candidates"] == [
        {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": "STOP",
            "index": 0,
            "finishMessage": "Model generated function call(s).",
        }
    ]


def test_own_signatures_stay_as_they_are_and_the_last_has_a_part_of_its_own() -> None:
    body = whole(Thinking("", "MQ==", OWN), Text("a"), Thinking("", "Mg==", OWN), Thinking("", "Mw==", OWN))

    assert parts_of(body) == [
        {"text": "a", "thoughtSignature": "MQ=="},
        {"text": "", "thoughtSignature": "Mg=="},
        {"text": "", "thoughtSignature": "Mw=="},
    ]


def test_a_redacted_thought_is_told_with_its_origin() -> None:
    body = whole(Thinking("", "secret", "anthropic.messages", redacted=True), Text("a"))

    assert parts_of(body) == [{"text": "a", "thoughtSignature": wrap("secret", "anthropic.messages+redacted")}]


def test_other_blocks_of_an_answer() -> None:
    body = whole(
        Refused("No."),
        Image(Data("image/png", "AAAA")),
        Foreign(OWN, "executableCode", msgspec.Raw(b'{"executableCode":\n{}}')),
        Foreign("openai.responses", "web_search_call", msgspec.Raw(b"{}")),
        reason=Reason.REFUSAL,
    )

    assert parts_of(body) == [
        {"text": "No."},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"executableCode": {}},
    ]
    assert '"finishReason": "SAFETY"' in json.dumps(body)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (Url("https://x/a.png", "image/png"), [{"fileData": {"mimeType": "image/png", "fileUri": "https://x/a.png"}}]),
        (Url("https://x/a"), [{"fileData": {"fileUri": "https://x/a"}}]),
        (FileRef("files/a", OWN), [{"fileData": {"fileUri": "files/a"}}]),
        (FileRef("file-a", "openai.chat"), []),
    ],
)
def test_a_picture_may_be_elsewhere(source: Url | FileRef, part: object) -> None:
    assert parts_of(whole(Image(source))) == part


def test_places_of_citations_count_the_bytes_of_the_whole_answer() -> None:
    def segments(first: str) -> object:
        body = whole(
            Text(first),
            Text("cd", None, (Citation("https://x", "X", "c", 0, 1), Citation(None, "D", None, 0))),
        )
        return cast(list[Json], body["candidates"])[0]["groundingMetadata"]

    sources = [{"web": {"uri": "https://x", "title": "X"}}, {"retrievedContext": {"title": "D"}}]
    assert segments("ab") == {
        "groundingChunks": sources,
        "groundingSupports": [
            {"segment": {"startIndex": 2, "endIndex": 3, "text": "c"}, "groundingChunkIndices": [0]},
            {"segment": {}, "groundingChunkIndices": [1]},
        ],
    }
    assert segments("äb") == {
        "groundingChunks": sources,
        "groundingSupports": [
            {"segment": {"text": "c"}, "groundingChunkIndices": [0]},
            {"segment": {}, "groundingChunkIndices": [1]},
        ],
    }


UNASKED = msgspec.structs.replace(ASKED, shows_thoughts=False)


def test_thoughts_that_nobody_asked_for_are_not_shown_but_their_signatures_travel() -> None:
    thought, silent, text = Thinking("Hm.", "c2ln", "elsewhere"), Thinking("", "c2ln", "elsewhere"), Text("Hi")

    def shown(*blocks: Block) -> object:
        return parts_of(json.loads(EventWriter(UNASKED).whole(Answer("r1", "m1", blocks, Reason.STOP))))

    assert shown(thought, text) == [{"text": "Hi", "thoughtSignature": wrap("c2ln", "elsewhere+partial")}]
    assert shown(silent, text) == [{"text": "Hi", "thoughtSignature": wrap("c2ln", "elsewhere")}]
    assert shown(Thinking("Hm.", None, "elsewhere"), text) == [{"text": "Hi"}]


def test_streamed_thoughts_that_nobody_asked_for_are_no_events() -> None:
    told = EventWriter(UNASKED).write([Begin("r1", "m1"), Open(0, Thinking("", None, "elsewhere")), Delta(0, "Hm.")])

    assert told == b""


@pytest.mark.parametrize("arguments", ["", "null", "{ }"])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    assert parts_of(whole(ToolUse("c1", "f", arguments)))[0]["functionCall"] == {"name": "f", "args": {}, "id": "c1"}


def test_the_first_call_that_nobody_signed_is_marked_as_such() -> None:
    first, second = (
        part.get("thoughtSignature") for part in parts_of(whole(ToolUse("1", "f", ""), ToolUse("2", "f", "")))
    )

    assert (first, second) == (wrap("", ""), None)


def test_arguments_that_are_no_object_are_a_malformed_call() -> None:
    body = whole(ToolUse("c1", "f", '{"a":'), reason=Reason.TOOL_USE)

    assert whole(ToolUse("c1", "f", "[1]"))["candidates"] == body["candidates"]
    assert body["candidates"] == [
        {
            "content": {"parts": [], "role": "model"},
            "finishReason": "MALFORMED_FUNCTION_CALL",
            "index": 0,
            "finishMessage": "Malformed function call: the arguments of 'f' are no JSON object.",
        }
    ]


def test_what_is_written_reads_as_it_was() -> None:
    answer = Answer(
        "r1",
        "m1",
        (
            Thinking("Hm.", origin=OWN),
            Thinking("", "MQ==", OWN),
            ToolUse("c1", "f", '{"a":1}'),
            Text("Yes.", None, (Citation("https://x", "X", "es", 1, 3),), (Logprob("Yes.", -0.5, (("Yes.", -0.5),)),)),
            Thinking("", "Mg==", OWN),
        ),
        Reason.TOOL_USE,
        None,
        Usage(10, 8, 2, 3, audio_input_tokens=1),
    )
    events = list(events_of(answer))
    items = ArrayWriter(ASKED).write(events)

    assert Collector(events_in(EventWriter(ASKED).write(events))).answer() == answer
    assert GenerateReader(ASKED).read(EventWriter(ASKED).whole(answer)) == answer
    assert GenerateReader(ASKED).read(ArrayWriter(ASKED).whole(answer)) == answer
    assert Collector(events_in(items)).answer() == answer
    assert len(json.loads(items)) == 4


# --- watched


def test_the_meter_passes_on_and_keeps_the_end() -> None:
    first, last = stream(chunk({"text": "a"})), stream(chunk({"text": "b"}, finish="STOP"))
    meter = GenerateMeter(shows_usage=False)

    assert meter.watch(first) == (first, b"")
    assert (meter.ended, meter.usage) == (False, SPENT)
    assert meter.watch(first + last) == (first, last)
    assert (meter.ended, meter.usage) == (True, SPENT)


def test_the_meter_keeps_the_last_counts_of_all() -> None:
    early = {**chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1}}
    meter = GenerateMeter(shows_usage=False)
    meter.watch(stream(early))
    meter.watch(stream(chunk({"text": "b"}, finish="STOP")))

    assert meter.usage == SPENT


def test_the_meter_counts_events_where_a_cut_stream_told_too_little() -> None:
    early = {**chunk({"text": '"finishReason"'}), "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
    bare = {**early, "usageMetadata": {"trafficType": "ON_DEMAND"}}
    told_nothing, told_some = GenerateMeter(shows_usage=False), GenerateMeter(shows_usage=False)
    told_nothing.watch(stream(bare, bare))
    told_some.watch(stream(early))
    told_some.watch(stream({**bare, "modelStatus": {"error": 1}}))

    assert told_nothing.usage == Usage(output_tokens=2, estimated=True)
    assert (told_some.usage, told_some.ended) == (Usage(9, 2, estimated=True), False)


def test_the_meter_sees_a_blocked_prompt_as_an_end() -> None:
    blocked = stream({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})
    warned = stream({**chunk({"text": "a"}), "promptFeedback": {"blockReason": "OTHER"}})
    meter = GenerateMeter(shows_usage=False)

    assert (meter.watch(warned), meter.ended) == ((warned, b""), False)
    assert (meter.watch(blocked), meter.ended, meter.usage) == ((b"", blocked), True, Usage(3, 0))


@pytest.mark.parametrize("content", [stream(ERROR), json.dumps(ERROR, indent=1).encode()])
def test_the_meter_tells_an_error_before_and_within_an_answer(content: bytes) -> None:
    before, within = GenerateMeter(shows_usage=False), GenerateMeter(shows_usage=False)
    within.watch(stream(chunk({"text": "a"})))

    with pytest.raises(Fault):
        before.watch(content)
    assert within.watch(content) == (b"", b"")
    assert within.fault is not None
    assert within.fault.kind is Kind.OVERLOADED


def test_the_meter_reads_whole_answers() -> None:
    for body in (chunk({"text": "a"}, finish="STOP"), [chunk({"text": "a"}), chunk({"text": "b"}, finish="STOP")]):
        meter = GenerateMeter(shows_usage=False)
        meter.read(json.dumps(body).encode())
        assert (meter.usage, meter.ended) == (SPENT, True)
    meter = GenerateMeter(shows_usage=False)
    meter.read(b"{}")
    assert meter.usage == Usage()
    for content in (json.dumps(ERROR).encode(), b"<html>"):
        with pytest.raises(Fault):
            GenerateMeter(shows_usage=False).read(content)
