"""Asks of other clients, written for Bedrock's Converse."""

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
from unigate.dialects.bedrock_converse.families import Family, family_of
from unigate.dialects.bedrock_converse.request_writer import write_ask
from unigate.dialects.losses import Field, Losses, Weight, hint
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Target

OWN = "bedrock.converse"
PROVIDER = Provider(name="p", endpoints=(), key=Secret("k"))
HINTS = {part.value: hint(part) for part in Part}
MEANINGS = {part.value: Field(part, Weight.MEANING) for part in Part}
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"a":{"type":"object"}}}')
LOOK, SEE = Tool("look", "Looks.", msgspec.Raw(b'{"type":"object"}')), Tool("see")

CLAUDE, NEWEST = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-opus-5"
OLD_CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
NOVA, NOVA_2 = "amazon.nova-lite-v1:0", "us.amazon.nova-2-lite-v1:0"
GPT, LLAMA = "openai.gpt-oss-120b-1:0", "meta.llama3-1-8b-instruct-v1:0"


def user(*blocks: Block) -> Message:
    return Message(Role.USER, blocks)


def assistant(*blocks: Block) -> Message:
    return Message(Role.ASSISTANT, blocks)


HI = user(Text("Hi"))
CALL, RESULT = ToolUse("t", "look", '{"at":1}'), ToolResult("t", (Text("a hill"),))


def ask_of(*messages: Message, **fields: object) -> Ask:
    return msgspec.structs.replace(Ask(model="m", messages=messages or (HI,)), **fields)


def written(ask: Ask, model: str = CLAUDE) -> tuple[dict[str, object], tuple[str, ...]]:
    """The body, and the names of what was lost."""
    losses = Losses(HINTS, "a target")
    return json.loads(write_ask(ask, Target(PROVIDER, model), losses)), losses.dropped


def content_of(*blocks: Block, model: str = CLAUDE) -> list[object]:
    return written(ask_of(user(Text("Hi"), *blocks)), model)[0]["messages"][0]["content"][1:]


def settings(**values: bytes) -> dict[Part, msgspec.Raw]:
    return {Part(name): msgspec.Raw(value) for name, value in values.items()}


def test_a_plain_question() -> None:
    body, lost = written(ask_of(Message(Role.SYSTEM, (Text("Be brief."),)), HI, streamed=True, stop=("END",)))

    assert lost == ()
    assert body == {
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"stopSequences": ["END"]},
    }


def test_limits_and_samplers() -> None:
    ask = ask_of(max_tokens=5, settings=settings(temperature=b"0.5", top_p=b"0.9"))

    assert written(ask, LLAMA) == (
        {
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.9},
        },
        (),
    )
    assert written(ask, CLAUDE)[1] == ("top_p",)


def test_a_temperature_above_one_cannot_be_said() -> None:
    assert written(ask_of(settings=settings(temperature=b"1.5")), LLAMA)[1] == ("temperature",)


@pytest.mark.parametrize(
    ("model", "own", "lost"),
    [
        (CLAUDE, {"top_k": 5}, ()),
        (NOVA, {"inferenceConfig": {"topK": 5}}, ()),
        (LLAMA, None, ("top_k",)),
    ],
)
def test_top_k_stands_where_the_family_has_it(model: str, own: object, lost: tuple[str, ...]) -> None:
    body, dropped = written(ask_of(settings=settings(top_k=b"5")), model)

    assert (body.get("additionalModelRequestFields"), dropped) == (own, lost)


def test_turns_alternate_and_results_come_first() -> None:
    body, _ = written(ask_of(HI, assistant(Text("Let me see.")), assistant(CALL), user(Text("Well?")), user(RESULT)))

    assert body["messages"] == [
        {"role": "user", "content": [{"text": "Hi"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "t", "name": "look", "input": {"at": 1}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "a hill"}]}}, {"text": "Well?"}],
        },
    ]


def test_a_conversation_begins_with_the_users_side() -> None:
    body, _ = written(ask_of(assistant(Text("Hello!")), HI))

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]


def test_pictures_sound_and_film() -> None:
    assert content_of(
        Image(Data("image/jpeg", "QUJD")),
        Image(Url("s3://bucket/x.png")),
        Audio(Data("audio/mpeg", "QUJD")),
        Video(Data("video/quicktime", "QUJD")),
        Video(Url("s3://bucket/x", "video/mp4")),
    ) == [
        {"image": {"format": "jpeg", "source": {"bytes": "QUJD"}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/x.png"}}}},
        {"audio": {"format": "mp3", "source": {"bytes": "QUJD"}}},
        {"video": {"format": "mov", "source": {"bytes": "QUJD"}}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/x"}}}},
    ]


def test_documents_have_names_of_their_own_in_the_letters_that_are_allowed() -> None:
    pdf = Data("application/pdf", "QUJD")
    names = [
        block["document"]["name"]
        for block in content_of(
            Document(pdf, "Jahres_bericht  (2024).pdf"),
            Document(pdf, "jahres bericht (2024)"),
            Document(pdf),
            Document(pdf, "报告.pdf"),
            Document(pdf, "x" * 300),
        )
    ]

    assert names == ["Jahres bericht (2024)", "jahres bericht (2024) 2", "document", "document 2", "x" * 195]


def test_documents() -> None:
    text = base64.b64encode(b"Snow fell.").decode()

    assert content_of(Document(Data("application/pdf", "QUJD"), "a", cited=True)) == [
        {
            "document": {
                "format": "pdf",
                "name": "a",
                "source": {"bytes": "QUJD"},
                "citations": {"enabled": True},
            }
        }
    ]
    assert content_of(Document(Data("text/plain", text), "a")) == [
        {"document": {"format": "txt", "name": "a", "source": {"bytes": text}}}
    ]
    assert content_of(Document(Data("text/plain", text), "a", cited=True)) == [
        {
            "document": {
                "format": "txt",
                "name": "a",
                "source": {"text": "Snow fell."},
                "citations": {"enabled": True},
            }
        }
    ]


def test_a_document_alone_gets_words_beside_it() -> None:
    body, _ = written(ask_of(user(Document(Data("application/pdf", "QUJD")))))

    assert body["messages"][0]["content"][0] == {"text": "See the document."}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (Image(Url("https://a.example/x.png")), Part.IMAGE_URLS),
        (Image(Data("image/tiff", "QUJD")), Part.IMAGES),
        (Image(Data("image/png", "QUJD"), "low"), Part.IMAGE_DETAIL),
        (Image(FileRef("f", "openai.responses")), Part.FILE_IDS),
        (Document(Url("https://a.example/x.pdf")), Part.DOCUMENT_URLS),
        (Document(Data("application/zip", "QUJD")), Part.DOCUMENTS),
        (Audio(Data("audio/x-strange", "QUJD")), Part.AUDIO),
        (Video(Url("https://a.example/x.mp4")), Part.VIDEO),
        (Video(Url("s3://bucket/x")), Part.VIDEO),
        (Foreign("openai.responses", "web_search_call", msgspec.Raw(b"{}")), Part.FOREIGN),
        (Thinking("Hm.", "x", "anthropic.messages"), Part.THINKING),
        (Thinking("Hm.", None, OWN), Part.THINKING),
    ],
)
def test_content_without_words_here_is_told(block: Block, part: Part) -> None:
    ask = ask_of(user(Text("Hi"), block))

    assert written(ask)[1] == (part.value,)
    with pytest.raises(Refusal, match=part.value):
        write_ask(ask, Target(PROVIDER, CLAUDE), Losses(MEANINGS, "a target"))


def test_what_this_service_said_comes_back_byte_for_byte() -> None:
    searched = Foreign(OWN, "toolUse", msgspec.Raw(b'{"toolUse":{"toolUseId":"s1"}}'))
    thoughts = Thinking("Hm.", "c2ln", OWN), Thinking("", "c2VjcmV0", OWN, redacted=True)
    body, lost = written(ask_of(HI, assistant(*thoughts, searched, Refused("No.")), HI))

    assert lost == ()
    assert body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"toolUse": {"toolUseId": "s1"}},
        {"text": "No."},
    ]


def test_results_of_tools() -> None:
    failed = ToolResult("t", (Text("no"), Text(" ")), is_error=True)
    shown = ToolResult("t" * 80, (Image(Data("image/png", "QUJD")),))
    calls = assistant(ToolUse("t", "look", ""), ToolUse("t" * 80, "look", "[]"))
    body, lost = written(ask_of(HI, calls, user(failed, shown)))

    first, second = (block["toolResult"] for block in body["messages"][2]["content"])
    assert lost == ()
    assert first == {"toolUseId": "t", "content": [{"text": "no"}], "status": "error"}
    assert second["content"] == [{"image": {"format": "png", "source": {"bytes": "QUJD"}}}]
    # An id may have 64 characters; the same one always becomes the same.
    assert [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]] == ["t", second["toolUseId"]]
    assert len(second["toolUseId"]) == 64


def test_a_call_id_keeps_to_the_allowed_letters() -> None:
    body, _ = written(ask_of(HI, assistant(ToolUse("functions.look:0/ü", "look", "")), HI))

    assert body["messages"][1]["content"][0]["toolUse"]["toolUseId"] == "functions.look:0__"


def test_tools() -> None:
    strict = Tool("pick", schema=SCHEMA, strict=True, cache="1h")
    body, lost = written(ask_of(tools=(LOOK, SEE, strict)))

    assert lost == ()
    assert body["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}},
            {"toolSpec": {"name": "see", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
            {
                "toolSpec": {
                    "name": "pick",
                    "strict": True,
                    "inputSchema": {
                        "json": {
                            "type": "object",
                            "properties": {"a": {"type": "object", "additionalProperties": False}},
                            "additionalProperties": False,
                        }
                    },
                }
            },
            {"cachePoint": {"type": "default", "ttl": "1h"}},
        ]
    }


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (ToolChoice("auto"), {"auto": {}}),
        (ToolChoice("required"), {"any": {}}),
        (ToolChoice("named", ("see",)), {"tool": {"name": "see"}}),
        (ToolChoice("named", ("look", "see")), {"any": {}}),
    ],
)
def test_choices_of_tools(choice: ToolChoice, told: dict[str, object]) -> None:
    body, lost = written(ask_of(tools=(LOOK, SEE, Tool("hear")), tool_choice=choice), LLAMA)

    assert (body["toolConfig"]["toolChoice"], lost) == (told, ())
    assert len(body["toolConfig"]["tools"]) == (2 if len(choice.names) == 2 else 3)


@pytest.mark.parametrize(
    ("choice", "parallel", "own"),
    [
        (ToolChoice("none"), None, {"type": "none"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("named", ("see",)), False, {"type": "tool", "name": "see", "disable_parallel_tool_use": True}),
    ],
)
def test_claude_has_words_where_converse_has_none(
    choice: ToolChoice | None, parallel: bool | None, own: object
) -> None:
    body, lost = written(ask_of(tools=(LOOK, SEE), tool_choice=choice, parallel=parallel))

    assert (body["additionalModelRequestFields"], lost) == ({"tool_choice": own}, ())
    assert "toolChoice" not in body["toolConfig"]


def test_other_models_are_not_offered_what_they_must_not_call() -> None:
    body, lost = written(ask_of(tools=(LOOK,), tool_choice=ToolChoice("none")), LLAMA)

    assert ("toolConfig" in body, lost) == (False, ())


def test_claude_does_not_think_in_a_round_of_tools_that_began_without_thoughts() -> None:
    stripped = Thinking("", "c2ln", OWN, partial=True)
    for before in ((CALL,), (stripped, CALL)):
        body, lost = written(ask_of(HI, assistant(*before), user(RESULT), tools=(LOOK,), effort="low"))

        assert body["additionalModelRequestFields"] == {"thinking": {"type": "disabled"}}
        assert lost == (("effort",) if len(before) == 1 else ("effort", "thinking"))
        assert [list(block) for block in body["messages"][1]["content"]] == [["toolUse"]]


def test_what_other_models_cannot_be_told_of_tools() -> None:
    forbidden = ask_of(HI, assistant(CALL), user(RESULT), tools=(LOOK,), tool_choice=ToolChoice("none"))
    assert written(forbidden, LLAMA)[1] == ("tool_choice",)
    assert "toolConfig" in written(forbidden, LLAMA)[0]
    assert written(ask_of(tools=(LOOK,), parallel=False), LLAMA)[1] == ("parallel",)
    assert written(ask_of(tool_choice=ToolChoice("required")), LLAMA)[1] == ("tool_choice",)
    assert written(ask_of(tools=(Tool("patch", custom=True),)))[1] == ("custom_tools",)
    assert written(ask_of(tools=(Tool("pick", strict=True),)), OLD_CLAUDE)[1] == ("strict_tools",)
    assert written(ask_of(hosted_tools=(HostedTool("x", "web_search", msgspec.Raw(b"{}")),)))[1] == ("web_search",)


def test_earlier_calls_are_explained_where_no_tools_are_offered() -> None:
    body, _ = written(ask_of(HI, assistant(CALL), user(RESULT)), LLAMA)

    assert body["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]
    }


def test_marks_for_the_cache_follow_what_they_mark() -> None:
    asked = ask_of(Message(Role.SYSTEM, (Text("Be brief.", "5m"),)), user(Text("Hi", "1h"), Text("you")))
    body, lost = written(asked)

    assert lost == ()
    assert body["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]
    assert body["messages"][0]["content"] == [
        {"text": "Hi"},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"text": "you"},
    ]
    assert written(asked, LLAMA)[1] == ("cache",)


def test_of_more_marks_than_four_the_last_stay() -> None:
    told = [Message(Role.USER, (Text(word, ""),)) for word in "abcd"]
    asked = ask_of(*told, tools=(Tool("look", cache=""), SEE))

    body, dropped = written(asked, CLAUDE)

    marked = [part for message in body["messages"] for part in message["content"] if "cachePoint" in part]
    assert (len(marked), len(body["toolConfig"]["tools"]), dropped) == (4, 2, ("cache",))


def test_a_mark_within_a_tools_result_stands_after_it() -> None:
    result = ToolResult("1", (Text("sunny", "1h"),))

    body, dropped = written(ask_of(Message(Role.USER, (result,))), CLAUDE)

    assert body["messages"][-1]["content"][-1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert dropped == ()


def test_an_answer_bound_to_a_schema() -> None:
    body, lost = written(ask_of(format=Format(SCHEMA, "pick", "Picks.")))
    schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]

    assert (lost, body["outputConfig"]["textFormat"]["type"]) == ((), "json_schema")
    assert (schema["name"], schema["description"]) == ("pick", "Picks.")
    assert json.loads(schema["schema"])["additionalProperties"] is False
    assert written(ask_of(format=Format(SCHEMA)), OLD_CLAUDE)[1] == ("format_schema",)
    assert written(ask_of(format=Format()))[1] == ("format",)


@pytest.mark.parametrize(
    ("ask", "model", "own", "limits"),
    [
        (ask_of(effort="low"), CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, {"maxTokens": 10240}),
        (
            ask_of(effort="high", max_tokens=9000),
            NEWEST,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            {"maxTokens": 9000},
        ),
        (ask_of(effort="minimal"), GPT, {"reasoning_effort": "low"}, None),
        (ask_of(thinking_budget=31999), GPT, {"reasoning_effort": "high"}, None),
        (
            ask_of(effort="medium", max_tokens=9000),
            NOVA_2,
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            {"maxTokens": 9000},
        ),
        (ask_of(effort="high"), NOVA_2, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, None),
        (ask_of(effort="none"), NOVA_2, None, None),
        (ask_of(effort="none"), LLAMA, None, None),
    ],
)
def test_thinking_in_each_familys_words(ask: Ask, model: str, own: object, limits: object) -> None:
    body, lost = written(ask, model)

    assert (body.get("additionalModelRequestFields"), body.get("inferenceConfig"), lost) == (own, limits, ())


@pytest.mark.parametrize(
    ("ask", "model"),
    [
        (ask_of(effort="high"), LLAMA),
        (ask_of(effort="none"), GPT),
        (ask_of(effort="high", max_tokens=9000), NOVA_2),
        (ask_of(effort="low"), OLD_CLAUDE),
        (ask_of(HI, assistant(CALL), user(RESULT), tools=(LOOK,), effort="low"), CLAUDE),
    ],
)
def test_effort_that_cannot_be_said_is_told(ask: Ask, model: str) -> None:
    assert written(ask, model)[1] == ("effort",)


def test_a_stop_sequence_of_white_space_is_refused_by_claude_alone() -> None:
    assert written(ask_of(stop=("\n",)), CLAUDE)[1] == ("stop",)
    assert written(ask_of(stop=("\n",)), LLAMA)[0]["inferenceConfig"] == {"stopSequences": ["\n"]}


def test_the_rest_of_the_settings() -> None:
    body, lost = written(ask_of(settings=settings(service_tier=b'"flex"', metadata=b'{"team":"a b"}')))

    assert (body["serviceTier"], body["requestMetadata"], lost) == ({"type": "flex"}, {"team": "a b"}, ())
    assert written(ask_of(settings=settings(service_tier=b'"auto"')))[1] == ("service_tier",)
    assert written(ask_of(settings=settings(metadata='{"team":"雪"}'.encode())))[1] == ("metadata",)
    assert written(ask_of(settings=settings(metadata=b'{"team":5}')))[1] == ("metadata",)
    assert written(ask_of(user="u"))[1] == ("user",)
    assert written(ask_of(Message(Role.USER, (Text("Hi"),), "ann")))[1] == ("names",)
    assert written(ask_of(unknown=("mood",), others=("state",)))[1] == ("mood", "state")


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
        Part.STORE,
        Part.CACHE_KEY,
        Part.VERBOSITY,
        Part.PREDICTION,
    ],
)
def test_settings_without_words_here_are_told(part: Part) -> None:
    assert written(ask_of(settings={part: msgspec.Raw(b"1")}))[1] == (part.value,)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        (CLAUDE, Family(thinking="claude", top_k=("top_k",), caches=True)),
        (NOVA_2, Family(thinking="nova", top_k=("inferenceConfig", "topK"), caches=True)),
        (NOVA, Family(top_k=("inferenceConfig", "topK"), caches=True)),
        (GPT, Family(thinking="word")),
        (LLAMA, Family()),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", Family()),
    ],
)
def test_families(model: str, family: Family) -> None:
    assert family_of(model) == family
