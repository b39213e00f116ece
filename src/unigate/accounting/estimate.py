"""What a call can consume at most, seen from its request alone.

Text has no more tokens than bytes. What a request only refers to, or holds in another form (pictures, files, sound,
earlier answers), is bounded by the model's context window alone; without one nothing bounds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.accounting.forms import FORMS, Form
from unigate.tariff import Tariff
from unigate.tier import ANY, ORDINARY, SERVICES, asked_tier
from unigate.wire.body import Body

__all__ = ["Bound", "Claim", "claim_of", "is_free", "lets_others_answer"]


class Bound:
    """The most that a call can consume at one target; None is `nothing bounds it`."""

    __slots__ = ("has_hosted_tools", "has_surcharge", "input_tokens", "output_tokens", "tier")

    def __init__(
        self,
        input_tokens: int | None,
        output_tokens: int | None,
        has_hosted_tools: bool = False,
        has_surcharge: bool = False,
        tier: str = ORDINARY,
    ) -> None:
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        # Its tools run at the provider, for fees that no count of tokens tells.
        self.has_hosted_tools = has_hosted_tools
        # It asks for a dearer service than those that prices are known for, or for an answer that is told elsewhere.
        self.has_surcharge = has_surcharge
        # The tier of service, of those that prices are known for, that it may be served in instead of the ordinary one.
        self.tier = tier


class Claim:
    """The most that a call can consume, as far as its request alone tells, wherever it goes."""

    __slots__ = ("answers", "fed", "has_hosted_tools", "has_surcharge", "is_final", "made", "prompts", "thinks", "tier")

    def __init__(self, fed: int | None, made: int | None, answers: int = 1, *, is_final: bool = False) -> None:
        self.fed = fed
        # How long each answer may be, and how many may come.
        self.made = made
        self.answers = answers
        # Whether a model's window bounds nothing here.
        self.is_final = is_final
        # How many prompts share the input, each with a window of its own.
        self.prompts = 1
        # Whether it thinks, where the limit on the answer does not count thoughts.
        self.thinks = False
        self.has_hosted_tools = False
        self.has_surcharge = False
        # The tier of service that is asked for.
        self.tier = ORDINARY

    def bound(self, tariff: Tariff | None) -> Bound:
        """What bounds the call at a model of this price."""
        fed, made = self.fed, self.made
        if tariff is not None and not self.is_final:
            context = tariff.context
            if fed is None or (context is not None and context * self.prompts < fed):
                fed = context * self.prompts if context is not None else None
            if made is None:
                made = (context if self.thinks else None) or tariff.most_output or context
        if made is not None:
            made *= self.answers
        if not self.tier:
            return Bound(fed, made, self.has_hosted_tools, self.has_surcharge)
        tier = _DEAREST_OF_ANY if self.tier == ANY else self.tier
        if tariff is None or tier not in tariff.tiers:
            return Bound(fed, made, self.has_hosted_tools, self.has_surcharge or self.tier not in _NEVER_DEARER)
        return Bound(fed, made, self.has_hosted_tools, self.has_surcharge, tier)


_FREE: Final = frozenset({"anthropic.count_tokens", "gemini.count_tokens"})

_OUTSIDE: Final = frozenset(
    {
        *("previous_response_id", "conversation", "conversation_id", "container", "cachedContent", "cached_content"),
        *("promptVariables", "images"),
    }
)
_HOSTED: Final = frozenset(
    {
        *("web_search_options", "mcp_servers", "plugins", "search_parameters", "enable_search", "connectors"),
        *("data_sources", "search_options", "venice_parameters", "with_search_enhance", "web_search"),
        *("enable_enhancement", "force_search_enhancement", "enable_code_interpreter"),
    }
)
# What OpenAI's libraries send for services that know more than OpenAI.
_BESIDE: Final = ("extra_body", "google")
# The limit on the output does not hold with these.
_THINKING: Final = frozenset({"thinking_budget", "enable_thinking"})
_LOOSE: Final = frozenset({*_THINKING, "prediction", "additionalModelRequestFields", "n_predict"})
# What a format adds to a prompt for these costs tokens of its own: Anthropic's tools up to 700.
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing
_FRAMED: Final = frozenset(
    {"tools", "toolConfig", "functions", "response_format", "output_format", "output_config", "text"}
)
_FRAME: Final = 1024
# By these a service is told of other models that may answer instead of the one that is named.
# https://openrouter.ai/docs/features/model-routing, https://platform.claude.com/docs/en/api/messages
_OTHER_MODELS: Final = frozenset({"models", "fallbacks", "preset"})
# Guardrails have fees of their own; what is done in the background tells its usage to whoever asks later; another
# model has another price.
_DEARER: Final = frozenset({"guardrailConfig", "background", *_OTHER_MODELS})
# Tiers that cost no more than the ordinary one, whatever they cost.
_NEVER_DEARER: Final = frozenset({ANY, "flex"})
# What an account can be set to at most: https://developers.openai.com/api/docs/guides/priority-processing
_DEAREST_OF_ANY: Final = "priority"
_NOTABLE: Final = frozenset(
    {*_OUTSIDE, *_HOSTED, *_LOOSE, *_FRAMED, *_DEARER, *_BESIDE, *SERVICES, "prompt", "n", "best_of"}
)
_UNREADABLE: Final = -1
_NONE: Final[frozenset[str]] = frozenset()
# Names that came with requests and have no capitals: a few dozen, and looking is faster than asking the name.
_without_capitals: Final[set[str]] = set()
_MOST_NAMES: Final = 1024
_LONGEST_NAME: Final = 64
_NOTHING: Final = frozenset({b"null", b"[]", b"{}", b'""', b"false"})
# Items that refer to what the provider keeps, unless they carry it sealed.
_THOUGHTS: Final = (b'"reasoning"', b'"compaction"')
_SEALED: Final = re.compile(rb'"encrypted_content"\s*:\s*"[^"]')
_ID: Final = b'"id"'
_BARE: Final = frozenset({"id", "type", "status"})
# A letter, digit, colon or slash that is written as an escape could hide any of the marks.
_HIDDEN: Final = re.compile(rb"\\u00(?:[4-7]|2[fF]|3[0-9aA])")
# In so many bytes and turns, looking at each brace is faster than looking for the marks at each quote.
_SHORT: Final = 4096
_MOST_TURNS: Final = 16
_BACKSLASH: Final = ord("\\")
_BRACKET: Final = ord("[")
_BRACE: Final = ord("{")
_COMMA: Final = ord(",")
_SPACE: Final = ord(" ")

_OWN_TOOLS: Final = frozenset({b'"function"', b'"custom"'})
_OWN_SHAPES: Final = frozenset({"function", "input_schema", "parameters", "toolSpec", "cachePoint"})
_DECLARATIONS: Final = frozenset({"functionDeclarations", "function_declarations"})

_tools: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_prompts: Final = msgspec.json.Decoder(list[msgspec.Raw])
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_free(dialect: str) -> bool:
    """Whether providers answer such calls for nothing."""
    return dialect in _FREE


def lets_others_answer(body: Body) -> str | None:
    """The field by which a request lets other models answer than the one it names; None if it has none."""
    return next((name for name in _OTHER_MODELS.intersection(body) if bytes(body[name]) not in _NOTHING), None)


def claim_of(dialect: str, body: Body | None, size: int) -> Claim:
    """What a request of so many bytes can consume."""
    form = FORMS.get(dialect)
    if form is None or body is None or _is_miswritten(form, body):
        return Claim(0, 0, is_final=True) if dialect in _FREE else Claim(None, None, is_final=True)
    found = _NONE
    if not _NOTABLE.isdisjoint(body):
        found = frozenset(name for name in _NOTABLE.intersection(body) if bytes(body[name]) not in _NOTHING)
    if found and not found.isdisjoint(_FRAMED):
        size += _FRAME
    fed = size if not _refers(form, body, found) else None
    if form.is_silent:
        claim = Claim(fed, 0, is_final=True)
    else:
        places = _places(form, body) if form.nests else [body]
        limit = _largest(form.limits, places) if not found or found.isdisjoint(_LOOSE) else 0
        choices = _largest(form.choices, places) if found or form.nests else 0
        if choices == _UNREADABLE:  # some services read `"8"` and 8.0 as numbers, and write so many answers
            claim = Claim(fed, None, is_final=True)
        else:
            prompts = _prompts_in(form, body) if found else 1
            claim = Claim(fed, limit if limit > 0 else None, max(choices, 1) * prompts)
            claim.prompts = prompts
    if found:
        claim.thinks = not found.isdisjoint(_THINKING)
        claim.has_hosted_tools = not found.isdisjoint(_HOSTED) or _has_hosted_tools(body)
        claim.has_surcharge = not found.isdisjoint(_DEARER)
        claim.tier = asked_tier(body)
    return claim


def _is_miswritten(form: Form, body: Body) -> bool:
    """Whether a field that bounds the request stands there in other capitals: servers in Go read it all the same.

    https://pkg.go.dev/encoding/json#Unmarshal
    """
    for name in body:
        if name in _without_capitals:
            continue
        if name.islower():
            if len(_without_capitals) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
                _without_capitals.add(name)
        elif name not in form.fields and name.lower() in form.names:
            return True
    return False


def _refers(form: Form, body: Body, found: frozenset[str]) -> bool:
    """Whether the request stands for more than its bytes."""
    if found:
        if not found.isdisjoint(_OUTSIDE) or ("prompt" in found and bytes(body["prompt"])[:1] == b"{"):
            return True
        for name in found.intersection(_BESIDE):
            if _is_marked(form, None, bytes(body[name])):
                return True
    for name in form.content:
        raw = body.get(name)
        if raw is not None:
            content = bytes(raw)
            if _is_marked(form, form.flat, content) or (form.has_items and _has_bare_ids(content)):
                return True
    return False


def _has_bare_ids(content: bytes) -> bool:
    """Whether any item is nothing but an id: one that the provider keeps, whether it says so by its type or not."""
    if _ID not in content:
        return False
    try:
        return any("id" in item and item.keys() <= _BARE for item in _tools.decode(content))
    except _FAILURES:
        return True


def _is_marked(form: Form, flat: tuple[int, ...] | None, content: bytes) -> bool:
    # A single byte is looked for ten times as fast as four; given as bytes, `in` tries to take it for a number first.
    if _BACKSLASH in content and _HIDDEN.search(content):
        return True
    if form.marks is None:
        return False
    if flat is not None and len(content) <= _SHORT and _is_flat(content) and not any(byte in content for byte in flat):
        return False
    has_thoughts = False
    for found in form.marks.finditer(content):
        if found[0] not in _THOUGHTS:
            return True
        has_thoughts = True
    return has_thoughts and sum(map(content.count, _THOUGHTS)) > len(_SEALED.findall(content))


def _is_flat(content: bytes) -> bool:
    """Whether this is a text, or a list of texts or of turns of texts, as very many requests are."""
    rest = content[1:]
    if _BRACKET in rest:
        return False
    for _ in range(_MOST_TURNS):
        if _BRACE not in rest:
            return True
        before, _, rest = rest.partition(b"{")
        # An object behind a comma is an item of a list, and there is no list but the outermost.
        end = len(before) - 1
        if end > 0 and before[end] == _SPACE:
            end -= 1
        if end >= 0 and before[end] != _COMMA:
            return False
    return False


def _largest(names: tuple[str, ...], places: list[Body]) -> int:
    """The largest of the numbers that a request gives by these names; 0 for none, _UNREADABLE if one is no number."""
    largest = 0
    for fields in places:
        for name in names:
            raw = fields.get(name)
            if raw is None:
                continue
            number = _number(raw)
            if number == _UNREADABLE:
                return _UNREADABLE
            largest = max(largest, number)
    return largest


def _places(form: Form, body: Body) -> list[Body]:
    nested: list[Body] = []
    for name in form.nests:
        if name in body:
            try:
                nested.append(_fields.decode(body[name]))
            except _FAILURES:
                return []
    return nested


def _number(raw: msgspec.Raw) -> int:
    """A whole number above zero, or 0 for null; some servers take zero and below for `no limit`."""
    content = bytes(raw)
    try:
        number = int(content)
    except ValueError:
        return 0 if content == b"null" else _UNREADABLE
    return number if number > 0 else _UNREADABLE


def _prompts_in(form: Form, body: Body) -> int:
    """How many prompts a field holds: a list of tokens is one, a list of anything else as many as it is long."""
    prompt = body.get(form.prompts) if form.prompts else None
    raw = bytes(prompt) if prompt is not None else b""
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
