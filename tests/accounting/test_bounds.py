"""What a call can consume at most, and what it has likely read, seen from its request alone."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigate.accounting.estimate import Bound, claim_of, is_free
from unigate.accounting.likely import estimated_input
from unigate.accounting.worst import reason_unpriced, worst_case
from unigate.dialects.table import DIALECTS
from unigate.mock.ask import Request
from unigate.mock.reads_anthropic import read as read_anthropic
from unigate.mock.reads_gemini import read as read_gemini
from unigate.mock.reads_openai import read_chat, read_completion
from unigate.mock.reads_responses import read as read_responses
from unigate.mock.words import tokens_of
from unigate.price import NANO, Price, Rates
from unigate.tariff import Tariff
from unigate.wire.body import decode_body

PRICE = Tariff(Price(rates=Rates(input=2 * NANO, output=8 * NANO), context=100_000, most_output=4096))
NO_LIMITS = Tariff(Price(rates=Rates(input=2 * NANO, output=8 * NANO)))
HI: list[object] = [{"role": "user", "content": "hi"}]
FUNCTION = {"type": "function", "function": {"name": "f"}}
FRAME = 1024


def bound(dialect: str, price: Tariff | None = PRICE, **fields: object) -> tuple[Bound, int]:
    content = json.dumps(fields).encode()
    return claim_of(dialect, decode_body(content), len(content)).bound(price), len(content)


def counts(found: Bound) -> tuple[int | None, int | None]:
    assert not found.has_hosted_tools and not found.has_surcharge
    return found.input_tokens, found.output_tokens


def chat(price: Tariff | None = PRICE, **fields: object) -> tuple[Bound, int]:
    return bound("openai.chat", price, **({"model": "m", "messages": HI} | fields))


# --- the input


def test_text_has_no_more_tokens_than_bytes() -> None:
    found, size = chat(max_tokens=10)

    assert counts(found) == (size, 10)


def test_the_window_is_the_most_that_goes_in() -> None:
    found, _ = chat(messages=[{"role": "user", "content": "x" * 200_000}], max_tokens=10)

    assert found.input_tokens == 100_000


def test_each_of_many_prompts_has_a_window_of_its_own() -> None:
    prompts = ["word " * 15_000] * 4
    found, size = bound("openai.completions", prompt=prompts, max_tokens=1)

    assert size > 200_000 and counts(found) == (size, 4)
    assert bound("openai.completions", prompt=["x" * 500_000] * 3, max_tokens=1)[0].input_tokens == 300_000


SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
OUTSIDE: list[tuple[str, dict[str, object]]] = [
    ("openai.chat", {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "data:image/png;…"}}]}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "file", "file": {"file_id": "f-1"}}]}]}),
    ("openai.chat", {"messages": [{"role": "assistant", "audio": {"id": "a-1"}}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "document_url", "document_url": "https://x/y.pdf"}]}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "file_url", "file_url": {"url": "https://x/y.pdf"}}]}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "video", "video": ["https://x/1.png"]}]}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": "https://x/y.mp3"}}]}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "input_audio", "input_audio": "https://x/y.mp3"}]}]}),
    ("openai.chat", {"messages": [{"role": "system", "content": "fileid://file-fe-1"}]}),
    ("openai.chat", {"messages": [{"role": "cache", "content": "cache_id=cache-1"}, *HI]}),
    ("openai.chat", {"messages": HI, "extra_body": {"google": {"cached_content": "cachedContents/1"}}}),
    ("openai.chat", {"messages": HI, "google": {"cached_content": "cachedContents/1"}}),
    ("openai.responses", {"input": "go on", "previous_response_id": "resp_1"}),
    ("openai.responses", {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}),
    ("openai.responses", {"input": [{"type": "reasoning", "id": "rs_1", "encrypted_content": None}]}),
    ("openai.responses", {"input": [SEALED, {"type": "reasoning", "id": "rs_2", "summary": []}]}),
    ("openai.responses", {"input": [{"type": "image_generation_call", "id": "ig_1"}]}),
    ("openai.responses", {"input": "go on", "conversation": "conv_1"}),
    ("openai.responses", {"input": "go on", "prompt": {"id": "pmpt_1"}}),
    ("openai.responses", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
    ("openai.responses", {"input": [{"id": "msg_1"}, {"role": "user", "content": "go on"}]}),
    ("openai.responses", {"input": [{"id": "msg_1", "type": None}]}),
    ("openai.responses", {"input": [{"content": [{"type": "input_video", "video_url": "https://x/y.mp4"}]}]}),
    ("openai.chat", {"messages": [{"content": [{"type": "audio_url", "audio_url": {"url": "https://x/y.mp3"}}]}]}),
    ("openai.responses", {"input": [{"content": [{"type": "input_file", "file_url": "https://x/y.pdf"}]}]}),
    ("anthropic.messages", {"messages": [{"content": [{"type": "document", "source": {"type": "url"}}]}]}),
    ("anthropic.messages", {"messages": HI, "container": "c-1"}),
    ("gemini.generate", {"contents": [{"parts": [{"fileData": {"fileUri": "https://x/y.mp4"}}]}]}),
    ("gemini.generate", {"contents": [{"parts": [{"inline_data": {"data": "AA=="}}]}]}),
    ("gemini.generate", {"contents": [], "cachedContent": "cachedContents/1"}),
    ("bedrock.converse", {"messages": [{"content": [{"image": {"source": {"s3Location": {}}}}]}]}),
    ("ollama.chat", {"messages": [{"content": "hi", "images": ["AA=="]}]}),
    ("ollama.chat", {"messages": [{"content": "hi", "Images": ["AA=="]}]}),
    ("ollama.generate", {"prompt": "hi", "images": ["AA=="]}),
]


@pytest.mark.parametrize(("dialect", "fields"), OUTSIDE)
def test_what_is_not_in_the_bytes_is_bounded_by_the_window_alone(dialect: str, fields: dict[str, object]) -> None:
    assert bound(dialect, **fields)[0].input_tokens == 100_000
    assert bound(dialect, NO_LIMITS, **fields)[0].input_tokens is None


turns = st.dictionaries(st.sampled_from(["role", "name", "content"]), st.text(alphabet='a,:{}[]" \\\n', max_size=8))


@given(
    before=st.lists(turns, max_size=20),
    after=st.lists(turns, max_size=3),
    turn=turns,
    is_list=st.booleans(),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :"), (",  ", ":")]),
)
def test_a_picture_is_found_among_any_turns_of_text(
    before: list[dict[str, str]],
    after: list[dict[str, str]],
    turn: dict[str, str],
    is_list: bool,
    separators: tuple[str, str],
) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    messages = [*before, {**turn, "parts": [picture] if is_list else picture}, *after]
    content = json.dumps({"messages": messages}, separators=separators).encode()

    assert claim_of("openai.chat", decode_body(content), len(content)).fed is None


@pytest.mark.parametrize(
    "fields",
    [
        {"Images": ["AA=="], "messages": HI, "options": {"num_predict": 5}},
        {"Options": {"num_predict": 500}, "messages": HI, "options": {"num_predict": 5}},
    ],
)
def test_a_server_that_reads_names_in_any_case_is_bounded_by_nothing_where_they_are(fields: dict[str, object]) -> None:
    assert counts(bound("ollama.chat", **fields)[0]) == (None, None)


BILLED_AS_INPUT = [
    ("openai.embeddings", {"input": [{"type": "image_url", "image_url": "https://x/y.png"}]}),
    ("openai.embeddings", {"input": [{"image": "https://x/y.png"}]}),
    (
        "openai.embeddings",
        {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]},
    ),
    ("openai.embeddings", {"input": [{"pdf": "https://x/y.pdf"}]}),
]


@pytest.mark.parametrize(("dialect", "fields"), BILLED_AS_INPUT)
def test_a_picture_among_texts_is_bounded_by_nothing_where_each_input_has_a_window(
    dialect: str, fields: dict[str, object]
) -> None:
    assert bound(dialect, **fields)[0].input_tokens is None


WITHIN: list[tuple[str, dict[str, object]]] = [
    ("openai.responses", {"input": [SEALED, {"type": "compaction", "encrypted_content": "gAAAA"}]}),
    ("openai.responses", {"input": [{"role": "user", "content": 'why "reasoning"?'}]}),
    ("openai.responses", {"input": [{"id": "msg_1", "role": "assistant", "content": "yes"}, *HI]}),
    ("openai.responses", {"input": 'what is an "id"?'}),
    ("openai.chat", {"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": "UklGRg=="}}]}]}),
    ("openai.chat", {"messages": HI, "extra_body": {"google": {"thinking_config": {"include_thoughts": True}}}}),
    ("openai.chat", {"messages": [{"role": "user", "content": "[see {file}]"}, {"role": "user", "content": "hi"}]}),
    ("openai.embeddings", {"input": ["reasoning", "image"]}),
]


@pytest.mark.parametrize(("dialect", "fields"), WITHIN)
def test_what_a_request_carries_itself_is_bounded_by_its_bytes(dialect: str, fields: dict[str, object]) -> None:
    found, size = bound(dialect, **fields)

    assert found.input_tokens == size


@pytest.mark.parametrize(
    "content",
    [
        rb'{"messages":[{"content":[{"type":"image\u005furl","image\u005furl":{"url":"https://x/y"}}]}]}',
        rb'{"messages":[{"role":"system","content":"fileid:\u002F\u002ffile-fe-1"}]}',
        rb'{"messages":[{"role":"system","content":"fileid:\/\/file-fe-1"}]}',
        rb'{"messages":[{"role":"system","content":"fileid\u003a//file-fe-1"}]}',
        rb'{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"s\u0033://x"}}]}]}',
    ],
)
def test_an_escaped_letter_hides_nothing(content: bytes) -> None:
    assert claim_of("openai.chat", decode_body(content), len(content)).bound(PRICE).input_tokens == 100_000


def test_text_about_pictures_is_text() -> None:
    words = 'the field "image_url", <b>, é and "file" \x00'
    found, size = chat(messages=[{"role": "user", "content": words}], max_tokens=1)

    assert counts(found) == (size, 1)


def test_tools_and_formats_bring_words_of_their_own() -> None:
    found, size = chat(tools=[FUNCTION], max_tokens=1)

    assert counts(found) == (size + FRAME, 1)


# --- the output

LIMITS: list[tuple[str, dict[str, object], int | None]] = [
    ("openai.chat", {"messages": HI, "max_tokens": 5}, 5),
    ("openai.chat", {"messages": HI, "max_completion_tokens": 7, "max_tokens": 5}, 7),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "n": 3}, 15),
    ("openai.chat", {"messages": HI, "max_tokens": None}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": -1}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": 0}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "max_completion_tokens": -1}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": "5"}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "max_completion_tokens": 1.5}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "prediction": {"content": "x"}}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "n_predict": 5000}, 4096),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "enable_thinking": True}, 100_000),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "enable_thinking": False}, 5),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "chat_template_kwargs": {"enable_thinking": False}}, 5),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "thinking_budget": 38_000}, 100_000),
    ("openai.chat", {"messages": HI, "n": 2}, 8192),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "n": None}, 5),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "n": "8"}, None),
    ("openai.chat", {"messages": HI, "max_tokens": 5, "n": 8.0}, None),
    ("gemini.generate", {"contents": [], "generationConfig": {"maxOutputTokens": 5, "candidateCount": "8"}}, None),
    ("gemini.generate", {"contents": [], "generationConfig": {"maxOutputTokens": 5, "candidateCount": None}}, 5),
    ("openai.completions", {"prompt": "x", "max_tokens": 5, "n": 2, "best_of": 4}, 20),
    ("openai.completions", {"prompt": ["x", "y", "z"], "max_tokens": 5}, 15),
    ("openai.completions", {"prompt": [1, 2, 3], "max_tokens": 5}, 5),
    ("openai.completions", {"prompt": [[1, 2], [3]], "max_tokens": 5}, 10),
    ("openai.responses", {"input": "x", "max_output_tokens": 5}, 5),
    ("anthropic.messages", {"messages": HI, "max_tokens": 5}, 5),
    ("gemini.generate", {"contents": [], "generationConfig": {"maxOutputTokens": 5, "candidateCount": 2}}, 10),
    ("gemini.generate", {"contents": [], "generation_config": {"max_output_tokens": 5}}, 5),
    ("gemini.generate", {"contents": [], "generationConfig": {}}, 4096),
    ("bedrock.converse", {"messages": [], "inferenceConfig": {"maxTokens": 5}}, 5),
    (
        "bedrock.converse",
        {"messages": [], "inferenceConfig": {"maxTokens": 5}, "additionalModelRequestFields": {"a": 1}},
        4096,
    ),
    ("cohere.chat", {"messages": HI, "max_tokens": 5}, 5),
    ("ollama.chat", {"messages": HI, "options": {"num_predict": 5}}, 5),
    ("ollama.generate", {"prompt": "x", "options": {"num_predict": -1}}, 4096),
    ("openai.embeddings", {"input": "x"}, 0),
    ("openai.moderations", {"input": "x"}, 0),
    ("gemini.batch_embed", {"requests": []}, 0),
]


@pytest.mark.parametrize(("dialect", "fields", "most"), LIMITS)
def test_the_answer_is_as_long_as_the_request_or_the_model_allows(
    dialect: str, fields: dict[str, object], most: int
) -> None:
    assert bound(dialect, **fields)[0].output_tokens == most


def test_a_model_without_a_maximum_can_fill_its_window_and_without_one_anything() -> None:
    windowed = Tariff(Price(rates=Rates(input=2 * NANO, output=8 * NANO), context=5000))

    assert [chat(price)[0].output_tokens for price in (windowed, NO_LIMITS, None)] == [5000, None, None]


@pytest.mark.parametrize("dialect", ["coze.chat", "dify.chat", "openai.rerank", "openai.images.generations"])
def test_some_operations_are_bounded_by_nothing(dialect: str) -> None:
    assert counts(bound(dialect, model="m")[0]) == (None, None)
    assert counts(claim_of("openai.audio.transcriptions", None, 1000).bound(PRICE)) == (None, None)


def test_counting_tokens_is_free() -> None:
    assert [name for name in DIALECTS if is_free(name)] == ["anthropic.count_tokens", "gemini.count_tokens"]
    assert counts(bound("anthropic.count_tokens", messages=HI)[0]) == (0, 0)


# --- what no count of tokens tells

HOSTED: list[tuple[str, dict[str, object]]] = [
    ("openai.chat", {"web_search_options": {"search_context_size": "low"}}),
    ("openai.chat", {"tools": [FUNCTION, {"type": "web_search"}]}),
    ("openai.chat", {"plugins": [{"id": "web"}]}),
    ("openai.chat", {"web_search": {"enable": True}}),
    ("openai.chat", {"enable_code_interpreter": True}),
    ("openai.responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
    ("openai.responses", {"tools": [{"type": "mcp", "server_url": "https://x"}]}),
    ("anthropic.messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("anthropic.messages", {"tools": [{"type": "computer_20250124", "name": "computer"}]}),
    ("anthropic.messages", {"mcp_servers": [{"type": "url", "url": "https://x"}]}),
    ("gemini.generate", {"tools": [{"googleSearch": {}}]}),
    ("gemini.generate", {"tools": [{"functionDeclarations": [], "codeExecution": {}}]}),
    ("bedrock.converse", {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}),
    ("openai.chat", {"tools": "all"}),
]


@pytest.mark.parametrize(("dialect", "fields"), HOSTED)
def test_tools_that_run_at_the_provider_have_fees(dialect: str, fields: dict[str, object]) -> None:
    found = bound(dialect, **fields)[0]

    assert found.has_hosted_tools
    assert worst_case(PRICE, found) is None


OWN: list[tuple[str, dict[str, object]]] = [
    ("openai.chat", {"tools": [FUNCTION, {"type": "custom", "custom": {"name": "c"}}]}),
    ("openai.chat", {"tools": [], "web_search_options": None, "plugins": []}),
    ("openai.responses", {"tools": [{"type": "function", "name": "f", "parameters": {}}]}),
    ("anthropic.messages", {"tools": [{"name": "f", "input_schema": {}}, {"type": "custom", "name": "g"}]}),
    ("gemini.generate", {"tools": [{"functionDeclarations": [{"name": "f"}]}]}),
    ("gemini.generate", {"tools": [{"function_declarations": [{"name": "f"}]}]}),
    ("bedrock.converse", {"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}, {"cachePoint": {}}]}}),
    ("ollama.chat", {"tools": [FUNCTION]}),
]


@pytest.mark.parametrize(("dialect", "fields"), OWN)
def test_the_clients_own_tools_cost_their_tokens_only(dialect: str, fields: dict[str, object]) -> None:
    found = bound(dialect, **fields)[0]

    assert not found.has_hosted_tools


@pytest.mark.parametrize(
    ("fields", "is_dearer"),
    [
        ({"service_tier": "priority"}, True),
        ({"service_tier": "default"}, False),
        ({"service_tier": "flex"}, False),
        ({"service_tier": None}, False),
        ({"speed": "fast"}, True),
        ({"background": True}, True),
        ({"background": False}, False),
        ({"models": ["dear/model"]}, True),
        ({"models": []}, False),
        ({"fallbacks": [{"model": "dear"}]}, True),
        ({"preset": "mine"}, True),
    ],
)
def test_a_dearer_service_has_no_known_price(fields: dict[str, object], is_dearer: bool) -> None:
    found = bound("openai.responses", input="x", max_output_tokens=5, **fields)[0]

    assert found.has_surcharge is is_dearer
    assert (worst_case(PRICE, found) is None) is is_dearer


# --- the worst case


def test_the_worst_case_is_the_dearest_kind_of_token_everywhere() -> None:
    price = Tariff(
        Price(
            rates=Rates(
                input=2 * NANO, output=8 * NANO, cached=NANO, cache_write_hour=4 * NANO, audio_output=80 * NANO
            ),
            long_from=1001,
            long=Rates(input=6 * NANO, output=9 * NANO),
            per_call=5,
        )
    )

    assert worst_case(price, Bound(1000, 10)) == 1000 * 4000 + 10 * 80_000 + 5
    assert worst_case(price, Bound(1001, 10)) == 1001 * 6000 + 10 * 80_000 + 5


def test_what_costs_nothing_needs_no_bound() -> None:
    local, by_call = (
        Tariff(Price(rates=Rates(input=0, output=0))),
        Tariff(Price(rates=Rates(input=0, output=0), per_call=9)),
    )

    assert [worst_case(price, Bound(None, None)) for price in (local, by_call, PRICE)] == [0, 9, None]


def test_why_nobody_knows_is_told() -> None:
    cases = [
        (None, Bound(1, 1)),
        (PRICE, Bound(1, 1, True)),
        (PRICE, Bound(1, 1, False, True)),
        (PRICE, Bound(None, 1)),
        (PRICE, Bound(1, None)),
    ]

    assert len({reason_unpriced(price, one) for price, one in cases}) == len(cases)


# --- what was likely read

SAID: list[tuple[object, dict[str, object]]] = [
    (read_chat, {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?" * 100}]}),
    (read_chat, {"messages": [{"role": "user", "content": [{"type": "text", "text": "大海有多深？" * 40}]}]}),
    (read_completion, {"prompt": "Once upon a time, " * 30}),
    (read_completion, {"prompt": ["Once upon", " a time"]}),
    (read_responses, {"instructions": "Be brief.", "input": "How deep is the sea? " * 20}),
    (read_responses, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "How deep?" * 20}]}]}),
    (
        read_anthropic,
        {"system": [{"type": "text", "text": "Be brief."}], "messages": [{"role": "user", "content": "Hm?"}]},
    ),
    (read_anthropic, {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "42 " * 30}]}]}),
    (
        read_gemini,
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"parts": [{"text": "Hm?"}]}]},
    ),
]


@pytest.mark.parametrize(("read", "fields"), SAID)
def test_the_likely_input_is_what_the_scripted_upstream_bills(read: object, fields: dict[str, object]) -> None:
    content = json.dumps({"model": "m"} | fields).encode()
    billed = tokens_of(read(Request("POST", "/", {}, [], content)).texts)  # type: ignore[operator]

    assert estimated_input(decode_body(content), len(content)) == billed


def test_tools_and_their_calls_are_read_too() -> None:
    call = {"function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    plain = json.dumps({"messages": HI}).encode()
    busy = json.dumps({"messages": [*HI, {"role": "assistant", "tool_calls": [call]}], "tools": [FUNCTION]}).encode()

    assert estimated_input(decode_body(plain), len(plain)) == 1
    assert estimated_input(decode_body(busy), len(busy)) == 19


def test_a_request_that_is_no_json_counts_its_bytes() -> None:
    assert [estimated_input(None, size) for size in (0, 1, 4, 5)] == [1, 1, 1, 2]


# --- speed


def test_an_ordinary_request_is_bounded_in_microseconds() -> None:
    content = json.dumps({"model": "m", "messages": HI * 2, "max_tokens": 100, "stream": True}).encode()
    body = decode_body(content)
    best = 1.0
    for _ in range(50):
        begun = time.perf_counter()
        for _ in range(100):
            claim_of("openai.chat", body, len(content)).bound(PRICE)
        best = min(best, (time.perf_counter() - begun) / 100)

    assert best < 20e-6
