"""What a call can consume at most, seen from its request alone, and what that can cost.

Text has no more tokens than bytes. What a request only refers to, or holds in another form (pictures, files, sound,
earlier answers), is bounded by the model's context window alone; without one nothing bounds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from unigate.price import Price, Rates
from unigate.wire.body import Body

__all__ = ["Bound", "bound_of", "is_free", "reason_unpriced", "worst_case"]

_MILLION = 1_000_000


class Bound(msgspec.Struct, frozen=True, gc=False):
    """The most that a call can consume; None is `nothing bounds it`."""

    input_tokens: int | None
    output_tokens: int | None
    # Its tools run at the provider, for fees that no count of tokens tells.
    has_hosted_tools: bool = False
    # It asks for a dearer service than the one that prices are known for, or for an answer that is told elsewhere.
    has_surcharge: bool = False


class _Form(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests of a dialect say what bounds them."""

    # The fields whose content the model reads; the others are searched for nothing.
    content: tuple[str, ...] = ("messages",)
    # Strings in them that stand for more than their bytes.
    marks: tuple[bytes, ...] = ()
    limits: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    # The fields below which limits and choices stand; none: at the top.
    nests: tuple[str, ...] = ()
    # A field of prompts that are answered one by one.
    prompts: str = ""
    # Nothing is written, so that only the input counts, which may be many inputs of a context window each.
    is_silent: bool = False


_OPENAI_MARKS = (b'"image_url"', b'"file"', b'"video_url"', b'"audio"')
_OLLAMA = _Form(
    content=("messages", "prompt", "system", "images"),
    marks=(b'"images"',),
    limits=("num_predict",),
    nests=("options",),
)
_GENERATE = _Form(
    content=("contents", "systemInstruction", "system_instruction"),
    marks=(b'"inlineData"', b'"inline_data"', b'"fileData"', b'"file_data"'),
    limits=("maxOutputTokens", "max_output_tokens"),
    choices=("candidateCount", "candidate_count"),
    nests=("generationConfig", "generation_config"),
)
_EMBED = _Form(content=("content", "requests"), marks=_GENERATE.marks, is_silent=True)
_INPUT = _Form(content=("input",), marks=(b'"image_url"',), is_silent=True)

_FORMS: Mapping[str, _Form] = {
    "openai.chat": _Form(marks=_OPENAI_MARKS, limits=("max_completion_tokens", "max_tokens"), choices=("n",)),
    "openai.completions": _Form(
        content=(), limits=("max_tokens", "max_completion_tokens"), choices=("n", "best_of"), prompts="prompt"
    ),
    "openai.responses": _Form(
        content=("input",),
        marks=(b'"input_image"', b'"input_file"', b'"item_reference"', b'"file_id"', b'"image_url"', b'"file_url"'),
        limits=("max_output_tokens",),
    ),
    "anthropic.messages": _Form(
        content=("messages", "system"),
        marks=(b'"image"', b'"document"', b'"file"', b'"container_upload"'),
        limits=("max_tokens",),
    ),
    "gemini.generate": _GENERATE,
    "gemini.generate.array": _GENERATE,
    "bedrock.converse": _Form(
        content=("messages", "system"),
        marks=(b'"image"', b'"document"', b'"video"', b'"audio"', b'"s3Location"'),
        limits=("maxTokens",),
        nests=("inferenceConfig",),
    ),
    "cohere.chat": _Form(marks=(b'"image_url"', b'"image"'), limits=("max_tokens",)),
    "ollama.chat": _OLLAMA,
    "ollama.generate": _OLLAMA,
    "openai.embeddings": _INPUT,
    "openai.moderations": _INPUT,
    "ollama.embed": _INPUT,
    "ollama.embeddings": _Form(content=(), is_silent=True),
    "gemini.embed": _EMBED,
    "gemini.batch_embed": _EMBED,
    "cohere.embed": _Form(content=("inputs",), marks=(b'"image_url"', b'"data:'), is_silent=True),
}
_FREE = frozenset({"anthropic.count_tokens", "gemini.count_tokens"})

_OUTSIDE = frozenset(
    {
        *("previous_response_id", "conversation", "conversation_id", "container", "cachedContent", "cached_content"),
        *("promptVariables", "images"),
    }
)
_HOSTED = frozenset(
    {
        *("web_search_options", "mcp_servers", "plugins", "search_parameters", "enable_search", "connectors"),
        *("data_sources", "search_options"),
    }
)
# The limit on the output does not hold with these.
_LOOSE = frozenset({"prediction", "additionalModelRequestFields", "thinking_budget"})
# What a format adds to a prompt for these costs tokens of its own: Anthropic's tools up to 700.
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing
_FRAMED = frozenset({"tools", "toolConfig", "functions", "response_format", "output_format", "output_config", "text"})
_FRAME = 1024
_PLAIN_TIERS = frozenset(f'"{word}"'.encode() for word in ("auto", "default", "standard", "standard_only", "flex"))
# Each with the values that cost no more than the ordinary service.
_TIERS: Mapping[str, frozenset[bytes]] = {
    "service_tier": _PLAIN_TIERS | {b'"on_demand"'},
    "serviceTier": _PLAIN_TIERS,
    "speed": frozenset({b'"standard"'}),
    "inference_geo": frozenset({b'"global"'}),
    "performanceConfig": frozenset({b'{"latency":"standard"}'}),
    "guardrailConfig": frozenset(),
    # The usage is told to whoever asks later.
    "background": frozenset(),
}
_NOTABLE = _OUTSIDE | _HOSTED | _LOOSE | _FRAMED | _TIERS.keys() | {"prompt", "n", "best_of"}
_NOTHING = frozenset({b"null", b"[]", b"{}", b'""', b"false"})
# A letter that is written as an escape could hide any of the marks.
_HIDDEN = re.compile(rb"\\u00[4-7]")

_OWN_TOOLS = frozenset({b'"function"', b'"custom"'})
_OWN_SHAPES = frozenset({"function", "input_schema", "parameters", "toolSpec", "cachePoint"})
_DECLARATIONS = frozenset({"functionDeclarations", "function_declarations"})

_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_prompts = msgspec.json.Decoder(list[msgspec.Raw])
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNBOUND = Bound(None, None)


def is_free(dialect: str) -> bool:
    """Whether providers answer such calls for nothing."""
    return dialect in _FREE


def bound_of(dialect: str, body: Body | None, size: int, price: Price | None) -> Bound:
    """What a call of so many bytes can consume at a model of this price."""
    form = _FORMS.get(dialect)
    if form is None or body is None:
        return Bound(0, 0) if dialect in _FREE else _UNBOUND
    context = price.context if price is not None else None
    is_outside = is_loose = has_hosted = has_surcharge = False
    inputs: int | None = size
    is_plain = _NOTABLE.isdisjoint(body)
    if not is_plain:
        found = {name for name in _NOTABLE.intersection(body) if bytes(body[name]) not in _NOTHING}
        is_outside = not found.isdisjoint(_OUTSIDE) or ("prompt" in found and bytes(body["prompt"])[:1] == b"{")
        is_loose = not found.isdisjoint(_LOOSE)
        inputs = size if found.isdisjoint(_FRAMED) else size + _FRAME
        has_hosted = not found.isdisjoint(_HOSTED) or _has_hosted_tools(body)
        has_surcharge = any(bytes(body[name]) not in plain for name, plain in _TIERS.items() if name in found)
    is_outside = is_outside or _refers(form, body)
    if form.is_silent:
        return Bound(None if is_outside else inputs, 0, has_hosted, has_surcharge)
    if is_outside or (context is not None and context < inputs):
        inputs = context
    limit = None if is_loose else _largest(form.limits, form, body)
    if is_plain and limit is not None and not form.nests:
        return Bound(inputs, limit)
    return Bound(inputs, _outputs(form, body, limit, price), has_hosted, has_surcharge)


def worst_case(price: Price, bound: Bound) -> int | None:
    """The nano-dollars that a call within its bound costs at most; None if nothing bounds them."""
    if bound.has_hosted_tools or bound.has_surcharge:
        return None
    rates = price.rates
    dearest_in, dearest_out = _dearest(rates)
    if price.long is not None and (bound.input_tokens is None or bound.input_tokens >= price.long_from):
        long_in, long_out = _dearest(price.long)
        dearest_in, dearest_out = max(dearest_in, long_in), max(dearest_out, long_out)
    if (dearest_in and bound.input_tokens is None) or (dearest_out and bound.output_tokens is None):
        return None
    total = dearest_in * (bound.input_tokens or 0) + dearest_out * (bound.output_tokens or 0)
    return -(-total // _MILLION) + price.per_call


def reason_unpriced(price: Price | None, bound: Bound) -> str:
    """Why nobody can say what a call costs at most, for the sentence a refused client reads."""
    if price is None:
        return "no price is known for it"
    if bound.has_hosted_tools:
        return "the request uses tools that run at the provider, for a fee"
    if bound.has_surcharge:
        return "the request asks for a service whose price is not known"
    if bound.input_tokens is None:
        return "the request refers to more than its text, and the model's context window is not known"
    return "neither the request nor the table of prices limits the length of the answer"


def _dearest(rates: Rates) -> tuple[int, int]:
    fed = max(
        rates.input, rates.cached or 0, rates.cache_write or 0, rates.cache_write_hour or 0, rates.audio_input or 0
    )
    return fed, max(rates.output, rates.audio_output or 0, rates.reasoning or 0)


def _refers(form: _Form, body: Body) -> bool:
    """Whether the content stands for more than its bytes."""
    for name in form.content:
        raw = body.get(name)
        if raw is None:
            continue
        content = bytes(raw)
        for mark in form.marks:
            # Twice as fast as `in`, which tries whether the mark is a number first.
            if content.find(mark) >= 0:
                return True
        if content.find(b"\\u00") >= 0 and _HIDDEN.search(content):
            return True
    return False


def _largest(names: tuple[str, ...], form: _Form, body: Body) -> int | None:
    """The largest of the numbers that a request gives by these names; None if it gives none, or one that is none."""
    largest = 0
    for fields in _places(form, body) if form.nests else (body,):
        for name in names:
            if (raw := fields.get(name)) is None:
                continue
            number = _number(raw)
            if number is None:
                return None
            largest = max(largest, number)
    return largest or None


def _places(form: _Form, body: Body) -> list[Body]:
    nested: list[Body] = []
    for name in form.nests:
        if name in body:
            try:
                nested.append(_fields.decode(body[name]))
            except _FAILURES:
                return []
    return nested


def _number(raw: msgspec.Raw) -> int | None:
    """A whole number above zero; some servers take zero and below for `no limit`."""
    try:
        number = int(bytes(raw))
    except ValueError:
        return None
    return number if number > 0 else None


def _outputs(form: _Form, body: Body, limit: int | None, price: Price | None) -> int | None:
    one = limit
    if one is None and price is not None:
        one = price.most_output or price.context
    if one is None:
        return None
    if form.choices:
        one *= _largest(form.choices, form, body) or 1
    return one * _prompts_in(form, body) if form.prompts else one


def _prompts_in(form: _Form, body: Body) -> int:
    """How many prompts a field holds: a list of tokens is one, a list of anything else as many as it is long."""
    raw = bytes(body.get(form.prompts, b""))
    if raw[:1] != b"[":
        return 1
    try:
        prompts = _prompts.decode(raw)
    except _FAILURES:
        return 1
    return sum(bytes(one)[:1] in (b'"', b"[") for one in prompts) or 1


def _has_hosted_tools(body: Body) -> bool:
    """Whether any tool is neither a function nor a custom one of the client's own."""
    raw = body.get("tools")
    try:
        if raw is None and "toolConfig" in body:
            raw = _fields.decode(body["toolConfig"]).get("tools")
        if raw is None or bytes(raw) in _NOTHING:
            return False
        return not all(map(_is_own, _tools.decode(raw)))
    except _FAILURES:
        return True


def _is_own(tool: Mapping[str, msgspec.Raw]) -> bool:
    kind = tool.get("type")
    if kind is not None and bytes(kind) != b"null":
        return bytes(kind) in _OWN_TOOLS
    return not _OWN_SHAPES.isdisjoint(tool) or (bool(tool) and tool.keys() <= _DECLARATIONS)
