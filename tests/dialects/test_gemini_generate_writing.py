"""What asks become as requests of Gemini's generateContent."""

from __future__ import annotations

import json
from typing import cast

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
from unigate.dialects.gemini_generate.request_writer import write_ask
from unigate.dialects.losses import Losses, hint
from unigate.parts import Part
from unigate.secret import Secret
from unigate.target import Provider, Target

OWN = "gemini.generate"
OLD, NEW = "gemini-2.5-flash", "gemini-3-flash"
PROVIDER = Provider(name="p", endpoints=(), key=Secret("k"))
HI = Message(Role.USER, (Text("Hi"),))
NAMES = {part.value: hint(part) for part in Part}

Json = dict[str, object]


def written(ask: Ask, model: str = NEW) -> tuple[Json, tuple[str, ...]]:
    """The request's body, and what was left out."""
    losses = Losses(NAMES, OWN)
    return json.loads(write_ask(ask, Target(PROVIDER, model), losses)), losses.dropped


def contents(*messages: Message, model: str = NEW) -> list[Json]:
    body, dropped = written(Ask(model="m", messages=messages), model)
    assert dropped == ()
    return cast(list[Json], body["contents"])


def parts(*blocks: Block, role: Role = Role.ASSISTANT, model: str = NEW) -> object:
    (content,) = contents(Message(role, blocks), model=model)
    return content["parts"]


def config(model: str = NEW, **fields: object) -> object:
    ask = Ask(model="m", messages=(HI,), settings={})
    for name, value in fields.items():
        setattr(ask, name, value)
    body, dropped = written(ask, model)
    assert dropped == ()
    return body.get("generationConfig", {})


# --- contents


def test_a_plain_question() -> None:
    assert written(Ask(model="m", messages=(HI,))) == ({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}, ())


def test_instructions_stand_apart_wherever_they_stood() -> None:
    messages = (
        Message(Role.SYSTEM, (Text("Be brief."),)),
        HI,
        Message(Role.DEVELOPER, (Text("Be kind."),)),
    )
    body, _ = written(Ask(model="m", messages=messages))

    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


def test_instructions_alone_are_a_question() -> None:
    body, _ = written(Ask(model="m", messages=(Message(Role.SYSTEM, (Text("Say hi."),)),)))

    assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (Image(Data("image/png", "AAAA")), {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        (Audio(Data("audio/wav", "AAAA")), {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}),
        (
            Image(Url("https://x/a.webp?b=1")),
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://x/a.webp?b=1"}},
        ),
        (Image(Url("https://x/a")), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x/a"}}),
        (Document(Url("https://x/a")), {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x/a"}}),
        (Video(Url("https://youtu.be/x")), {"fileData": {"fileUri": "https://youtu.be/x"}}),
        (Document(FileRef("files/a", OWN)), {"fileData": {"fileUri": "files/a"}}),
        (Refused("No."), {"text": "No."}),
        (Foreign(OWN, "executableCode", msgspec.Raw(b'{"executableCode":{}}')), {"executableCode": {}}),
    ],
)
def test_every_kind_of_content(block: Block, part: object) -> None:
    assert parts(block, role=Role.USER) == [part]


def test_an_empty_text_is_left_out() -> None:
    assert contents(HI, Message(Role.ASSISTANT, (Text(""),))) == [{"role": "user", "parts": [{"text": "Hi"}]}]


# --- calls and results


def test_results_stand_together_in_the_order_of_their_calls_before_anything_else() -> None:
    told = contents(
        Message(Role.ASSISTANT, (ToolUse("a", "look", '{"at":1}'), ToolUse("b", "ask", ""))),
        Message(Role.USER, (ToolResult("b", (Text("no"),), True),)),
        Message(Role.USER, (ToolResult("a", (Text('{"seen":1}'),)), Text("Well?"))),
        model=OLD,
    )

    assert told == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "look", "args": {"at": 1}}},
                {"functionCall": {"name": "ask", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "look", "response": {"seen": 1}}},
                {"functionResponse": {"name": "ask", "response": {"error": "no"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "Well?"}]},
    ]


def test_models_from_the_third_generation_on_are_told_ids_and_shown_pictures_inside() -> None:
    picture = Image(Data("image/png", "AAAA"))
    call = Message(Role.ASSISTANT, (Thinking("", "c2ln", OWN), ToolUse("a", "look", "{}")))
    result = Message(Role.USER, (ToolResult("a", (Text("see"), picture)),))
    shown = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    response = {"name": "look", "response": {"output": "see"}}

    assert contents(call, result)[1]["parts"] == [{"functionResponse": {**response, "id": "a", "parts": [shown]}}]
    assert contents(call, result, model=OLD)[1]["parts"] == [{"functionResponse": response}, shown]


def test_what_a_function_response_cannot_hold_stands_beside_it() -> None:
    elsewhere, sound = Image(Url("https://x/a.png")), Image(Data("image/gif", "AAAA"))
    (content,) = contents(Message(Role.USER, (ToolResult("a", (elsewhere, sound), name="look"),)))

    assert content["parts"] == [
        {"functionResponse": {"name": "look", "response": {"output": ""}, "id": "a"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x/a.png"}},
        {"inlineData": {"mimeType": "image/gif", "data": "AAAA"}},
    ]


@pytest.mark.parametrize(
    "block",
    [
        Text("a", cache="5m"),
        Image(Data("image/png", "AAAA"), cache=""),
        ToolUse("a", "f", "{}", cache=""),
        ToolResult("a", (), cache=""),
    ],
)
def test_marks_for_a_cache_are_told_wherever_they_stand(block: Block) -> None:
    assert written(Ask(model="m", messages=(Message(Role.USER, (block,)),)))[1] == ("cache",)
    assert written(Ask(model="m", messages=(HI,), tools=(Tool("f", cache=""),)))[1] == ("cache",)


@pytest.mark.parametrize(
    ("arguments", "args"),
    [("", {}), ("null", {}), (' {"a":1}', {"a": 1}), ("[1]", {"input": "[1]"}), ("{", {"input": "{"})],
)
def test_arguments_are_always_an_object(arguments: str, args: object) -> None:
    assert parts(ToolUse("a", "f", arguments), model=OLD) == [{"functionCall": {"name": "f", "args": args}}]


# --- signatures


def test_a_signature_hangs_on_what_follows_it() -> None:
    assert parts(Thinking("Hm.", origin=OWN), Thinking("", "c2ln", OWN), Text("Yes."), Thinking("", "ZW5k", OWN)) == [
        {"text": "Hm.", "thought": True},
        {"text": "Yes.", "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "ZW5k"},
    ]


def test_two_signatures_in_a_row_and_that_of_a_shown_thought_keep_their_places() -> None:
    assert parts(Thinking("", "MQ==", OWN), Thinking("", "Mg==", OWN), Text("a"), Thinking("Hm.", "Mw==", OWN)) == [
        {"text": "", "thoughtSignature": "MQ=="},
        {"text": "a", "thoughtSignature": "Mg=="},
        {"text": "Hm.", "thought": True, "thoughtSignature": "Mw=="},
    ]


def test_the_first_call_of_a_step_has_a_placeholder_where_gemini_did_not_make_it() -> None:
    calls = (ToolUse("a", "f", "{}"), ToolUse("b", "f", "{}"))
    first, second = ({"functionCall": {"name": "f", "args": {}, "id": id}} for id in "ab")

    assert parts(*calls) == [{**first, "thoughtSignature": "skip_thought_signature_validator"}, second]
    assert parts(Thinking("", "c2ln", OWN), *calls) == [{**first, "thoughtSignature": "c2ln"}, second]


def test_thoughts_of_others_are_left_out() -> None:
    thought = Thinking("Hm.", "sig", "anthropic.messages")
    body, dropped = written(Ask(model="m", messages=(HI, Message(Role.ASSISTANT, (thought, Text("Yes."))))))

    assert cast(list[Json], body["contents"])[1]["parts"] == [{"text": "Yes."}]
    assert dropped == ("thinking",)


# --- settings


def test_settings_have_their_own_names() -> None:
    raw = {part: msgspec.Raw(b"1") for part in (Part.TEMPERATURE, Part.TOP_P, Part.TOP_K, Part.SEED, Part.LOGPROBS)}

    assert config(settings=raw, max_tokens=9, stop=("x",)) == {
        "temperature": 1,
        "topP": 1,
        "topK": 1,
        "seed": 1,
        "responseLogprobs": 1,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
    }


def test_a_schema_is_told_as_json_schema() -> None:
    schema = {"type": "object", "additionalProperties": False, "$defs": {}}
    wanted = Format(msgspec.Raw(json.dumps(schema).encode()), "answer")

    assert config(format=wanted) == {"responseMimeType": "application/json", "responseJsonSchema": schema}
    assert config(format=Format()) == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("model", "asked", "thinking"),
    [
        (NEW, {"effort": "none"}, {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro-preview", {"effort": "minimal"}, {"thinkingLevel": "low"}),
        (NEW, {"effort": "xhigh"}, {"thinkingLevel": "high"}),
        ("gemini-flash-latest", {"thinking_budget": 2000}, {"thinkingLevel": "low"}),
        (OLD, {"effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"effort": "none"}, {"thinkingBudget": 128}),
        (OLD, {"thinking_budget": 31999}, {"thinkingBudget": 24576}),
        (OLD, {"effort": "low", "thinking_shown": True}, {"thinkingBudget": 2048, "includeThoughts": True}),
        ("gemini-2.0-flash", {"thinking_shown": True}, None),
    ],
)
def test_each_generation_is_told_to_think_in_its_own_way(model: str, asked: Json, thinking: object) -> None:
    assert cast(Json, config(model, **asked)).get("thinkingConfig") == thinking


def test_a_model_that_does_not_think_is_not_told_to() -> None:
    _, dropped = written(Ask(model="m", messages=(HI,), effort="low"), "gemini-2.0-flash")

    assert dropped == ("effort",)


# --- tools


def test_tools_are_declared_with_json_schema() -> None:
    schema = msgspec.Raw(b'{"type":"object","const":1}')
    body, _ = written(Ask(model="m", messages=(HI,), tools=(Tool("f", "F.", schema), Tool("g"))))

    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "F.", "parametersJsonSchema": {"type": "object", "const": 1}},
                {"name": "g"},
            ]
        }
    ]
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("choice", "strict", "calling"),
    [
        (ToolChoice("auto"), False, {"mode": "AUTO"}),
        (ToolChoice("none"), False, {"mode": "NONE"}),
        (ToolChoice("required"), True, {"mode": "ANY"}),
        (ToolChoice("named", ("f",)), False, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto", ("f",)), False, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto"), True, {"mode": "VALIDATED"}),
        (None, True, {"mode": "VALIDATED"}),
    ],
)
def test_which_tools_to_call(choice: ToolChoice | None, strict: bool, calling: object) -> None:
    tool = Tool("f", strict=strict)
    body, dropped = written(Ask(model="m", messages=(HI,), tools=(tool,), tool_choice=choice))

    assert (body["toolConfig"], dropped) == ({"functionCallingConfig": calling}, ())


def test_its_own_hosted_tools_are_told_and_others_are_not() -> None:
    hosted = (
        HostedTool(OWN, "googleSearch", msgspec.Raw(b'{"googleSearch":{}}')),
        HostedTool("openai.responses", "web_search", msgspec.Raw(b"{}")),
    )
    body, dropped = written(Ask(model="m", messages=(HI,), hosted_tools=hosted))

    assert (body["tools"], dropped) == ([{"googleSearch": {}}], ("web_search",))


def test_everything_it_has_no_words_for_is_told() -> None:
    blocks: tuple[Block, ...] = (
        Text("a", cache=""),
        Image(Url("https://x/a.png"), "low"),
        Document(Data("text/plain", "YQ=="), cited=True),
        Document(FileRef("f", "openai.chat")),
        Foreign("openai.responses", "web_search_call", msgspec.Raw(b"{}")),
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
        user="u",
        parallel=False,
        unknown=("shoe",),
    )
    missing = (
        Part.USER,
        Part.PARALLEL,
        Part.CACHE,
        Part.IMAGE_DETAIL,
        Part.DOCUMENT_CITATIONS,
        Part.FILE_IDS,
        Part.FOREIGN,
        Part.NAMES,
    )

    assert written(ask)[1] == tuple(sorted(["shoe", *(part.value for part in (*unsayable, *missing))]))
