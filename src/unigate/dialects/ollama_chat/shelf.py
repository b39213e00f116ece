"""What Ollama says of its models and of itself, for clients that look before they ask.

https://docs.ollama.com/api/tags, …/api-reference/show-model-details, …/api/version

A request without a prompt only asks to load the model, or to unload it: https://docs.ollama.com/faq, "preload".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from unigate.wire.body import Body

__all__ = ["idle_chat", "idle_generate", "running_body", "show_body", "tags_body", "version_body"]

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
_EMPTY = frozenset({b"null", b"[]", b'""'})
_UNLOADS = frozenset({b"0", b'"0"', b'"0s"', b'"0m"'})
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


def idle_chat(body: Body, model: str) -> bytes | None:
    """The answer to a chat without messages; None for any other."""
    if _has(body, "messages"):
        return None
    return _encode({**_done(body, model), "message": {"role": "assistant", "content": ""}}) + b"\n"


def idle_generate(body: Body, model: str) -> bytes | None:
    """The answer to a request without a prompt and pictures; None for any other."""
    if _has(body, "prompt") or _has(body, "images"):
        return None
    return _encode({**_done(body, model), "response": ""}) + b"\n"


def _has(body: Body, name: str) -> bool:
    return name in body and bytes(body[name]).strip() not in _EMPTY


def _done(body: Body, model: str) -> dict[str, object]:
    unloads = bytes(body["keep_alive"]).strip() in _UNLOADS if "keep_alive" in body else False
    return {"model": model, "created_at": _NEVER, "done": True, "done_reason": "unload" if unloads else "load"}


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
