"""What Ollama says of its models and of itself, for clients that look before they ask.

https://docs.ollama.com/api/tags, …/api-reference/show-model-details, …/api/version
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

__all__ = ["running_body", "show_body", "tags_body", "version_body"]

# The first version with everything that is spoken here; clients compare it with what they need.
_VERSION = "0.12.6"
_NEVER = "1970-01-01T00:00:00Z"
_DETAILS: Mapping[str, object] = {
    "parent_model": "",
    "format": "",
    "family": "",
    "families": [],
    "parameter_size": "",
    "quantization_level": "",
}
_CONTEXT = 131_072
_encode = msgspec.json.Encoder().encode


def tags_body(names: Iterable[str]) -> bytes:
    """The list of models (GET /api/tags)."""
    return _encode({"models": [_listed(name) for name in names]})


def running_body() -> bytes:
    """The list of models that are loaded (GET /api/ps): none is loaded here."""
    return _encode({"models": []})


def show_body(name: str) -> bytes:
    """One model (POST /api/show). What it can do is not known here, so that nothing is ruled out."""
    return _encode(
        {
            "license": "",
            "modelfile": f"FROM {name}",
            "parameters": "",
            "template": "",
            "details": _DETAILS,
            "model_info": {"general.architecture": "unigate", "unigate.context_length": _CONTEXT},
            "capabilities": ["completion", "tools", "vision", "thinking"],
            "modified_at": _NEVER,
        }
    )


def version_body() -> bytes:
    """The version (GET /api/version)."""
    return _encode({"version": _VERSION})


def _listed(name: str) -> Mapping[str, object]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {
        "name": name,
        "model": name,
        "modified_at": _NEVER,
        "size": 0,
        "digest": digest,
        "details": _DETAILS,
    }
