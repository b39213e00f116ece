"""Reads the generation config of a request (https://ai.google.dev/api/generate-content#generationconfig)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from unigate.conversation import Ask, Format
from unigate.dialects.gemini_generate.fields import CONFIG, FIELDS
from unigate.dialects.gemini_generate.schema import json_schema
from unigate.dialects.gemini_generate.shapes import ABSENT, ThinkingConfig, given
from unigate.dialects.gemini_generate.spelling import camel_cased
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["read_config"]

_PLACE = "generationConfig"
_ONE = msgspec.Raw(b"1")
_N = Part.N  # under a name of the module: an enumeration's members are slow to look up
_COUNTS = frozenset({Part.TOP_K, Part.SEED, Part.TOP_LOGPROBS, Part.N})
_JSON = ("application/json", "APPLICATION_JSON")
_PLAIN = ("text/plain", "TEXT_PLAIN", "MIME_TYPE_UNSPECIFIED", "")
_DYNAMIC = -1


class _TextFormat(msgspec.Struct, frozen=True, rename="camel"):
    mime_type: str = ""
    schema: msgspec.Raw = ABSENT


class _ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: _TextFormat | None = None
    image: msgspec.Raw = ABSENT
    audio: msgspec.Raw = ABSENT


_config = TypedDecoder(Body, _PLACE)
_number: TypedDecoder[int | float] = TypedDecoder(int | float, _PLACE)
_thinking = TypedDecoder(ThinkingConfig, f"{_PLACE}.thinkingConfig")
_max_tokens = TypedDecoder(int, f"{_PLACE}.maxOutputTokens")
_stop: TypedDecoder[str | tuple[str, ...]] = TypedDecoder(str | tuple[str, ...], f"{_PLACE}.stopSequences")
_mime_type = TypedDecoder(str, f"{_PLACE}.responseMimeType")
_modalities: TypedDecoder[str | tuple[str, ...]] = TypedDecoder(str | tuple[str, ...], f"{_PLACE}.responseModalities")
_response_format = TypedDecoder(_ResponseFormat, f"{_PLACE}.responseFormat")


def read_config(ask: Ask, raw: msgspec.Raw) -> None:
    """Adds what the generation config says. Raises Refusal (400) naming what is wrong."""
    for name, value in _config.decode(camel_cased(raw))[0].items():
        if not given(value):
            continue
        part = CONFIG.get(name)
        if part is not None:
            told = _counted(value, f"{_PLACE}.{name}") if part in _COUNTS else value
            if part is not _N or told != _ONE:
                ask.settings[part] = told
        elif name in _READ:
            _READ[name](ask, value)
        elif f"{_PLACE}.{name}" in FIELDS:
            ask.others += (f"{_PLACE}.{name}",)
        else:
            ask.unknown += (f"{_PLACE}.{name}",)


def _counted(raw: msgspec.Raw, name: str) -> msgspec.Raw:
    """A whole number as every format takes it: Google's Python SDK writes `topK` as 4.0."""
    number = _number.decode(raw)[0]
    if isinstance(number, float) and not number.is_integer():
        raise Refusal(400, "invalid_type", f"'{name}' must be a whole number.", param=name)
    return msgspec.Raw(b"%d" % int(number))


def _read_thinking(ask: Ask, raw: msgspec.Raw) -> None:
    wanted, unknown = _thinking.decode(raw)
    ask.unknown += unknown
    ask.thinking_shown = wanted.include_thoughts is True
    level = (wanted.thinking_level or "").lower()
    if level and level != "thinking_level_unspecified":
        ask.effort = level
    if wanted.thinking_budget == 0:
        ask.effort = "none"
    elif wanted.thinking_budget is not None and wanted.thinking_budget != _DYNAMIC:
        ask.thinking_budget = wanted.thinking_budget


def _read_max_tokens(ask: Ask, raw: msgspec.Raw) -> None:
    ask.max_tokens = _max_tokens.decode(raw)[0]


def _read_stop(ask: Ask, raw: msgspec.Raw) -> None:
    stop = _stop.decode(raw)[0]
    ask.stop = (stop,) if isinstance(stop, str) else stop


def _read_mime_type(ask: Ask, raw: msgspec.Raw) -> None:
    _set_format(ask, _mime_type.decode(raw)[0], f"{_PLACE}.responseMimeType")


def _set_format(ask: Ask, mime_type: str, place: str) -> None:
    if mime_type in _JSON:
        ask.format = ask.format or Format()
    elif mime_type not in _PLAIN:
        ask.others += (place,)


def _read_schema(ask: Ask, raw: msgspec.Raw) -> None:
    ask.format = Format(json_schema(raw, f"{_PLACE}.responseSchema"))


def _read_json_schema(ask: Ask, raw: msgspec.Raw) -> None:
    ask.format = Format(raw)


def _read_response_format(ask: Ask, raw: msgspec.Raw) -> None:
    wanted, unknown = _response_format.decode(raw)
    ask.unknown += unknown
    place = f"{_PLACE}.responseFormat"
    if given(wanted.image) or given(wanted.audio):
        ask.others += (place,)
    if wanted.text is not None:
        _set_format(ask, wanted.text.mime_type, place)
        if given(wanted.text.schema):
            ask.format = Format(wanted.text.schema)


def _read_modalities(ask: Ask, raw: msgspec.Raw) -> None:
    modalities = _modalities.decode(raw)[0]
    wanted = {one.upper() for one in ((modalities,) if isinstance(modalities, str) else modalities)}
    if wanted - {"TEXT", "MODALITY_UNSPECIFIED"}:
        ask.others += (f"{_PLACE}.responseModalities",)


_READ: Mapping[str, Callable[[Ask, msgspec.Raw], None]] = {
    "thinkingConfig": _read_thinking,
    "maxOutputTokens": _read_max_tokens,
    "stopSequences": _read_stop,
    "responseMimeType": _read_mime_type,
    "responseSchema": _read_schema,
    "responseJsonSchema": _read_json_schema,
    "_responseJsonSchema": _read_json_schema,
    "responseFormat": _read_response_format,
    "responseModalities": _read_modalities,
}
