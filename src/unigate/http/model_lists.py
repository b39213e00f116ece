"""The list of models, and one of them, in the shape that each dialect's clients read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from unigate.routing.catalog import Model

__all__ = ["anthropic_list", "anthropic_model", "gemini_list", "gemini_model", "openai_list", "openai_model"]

_encode = msgspec.json.Encoder().encode
_Line = Mapping[str, object]
_NEVER = "1970-01-01T00:00:00Z"


def openai_model(model: Model) -> bytes:
    """https://platform.openai.com/docs/api-reference/models/object"""
    return _encode(_openai(model))


def openai_list(models: Iterable[Model]) -> bytes:
    """https://platform.openai.com/docs/api-reference/models/list"""
    return _encode({"object": "list", "data": [_openai(model) for model in models]})


def anthropic_model(model: Model) -> bytes:
    """https://docs.anthropic.com/en/api/models"""
    return _encode(_anthropic(model))


def anthropic_list(models: Iterable[Model]) -> bytes:
    """https://docs.anthropic.com/en/api/models-list; always one page."""
    lines = [_anthropic(model) for model in models]
    first, last = (lines[0]["id"], lines[-1]["id"]) if lines else (None, None)
    return _encode({"data": lines, "has_more": False, "first_id": first, "last_id": last})


def gemini_model(model: Model) -> bytes:
    """https://ai.google.dev/api/models#Model"""
    return _encode(_gemini(model))


def gemini_list(models: Iterable[Model]) -> bytes:
    """https://ai.google.dev/api/models#method:-models.list; always one page."""
    return _encode({"models": [_gemini(model) for model in models]})


def _openai(model: Model) -> _Line:
    return {"id": model.id, "object": "model", "created": 0, "owned_by": model.owned_by}


def _anthropic(model: Model) -> _Line:
    return {"type": "model", "id": model.id, "display_name": model.id, "created_at": _NEVER}


def _gemini(model: Model) -> _Line:
    return {
        "name": f"models/{model.id}",
        "displayName": model.id,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens", "embedContent"],
    }
