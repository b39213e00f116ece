"""What Ollama says about itself: its models, one model, its version."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Heard, Reply, Request, Scene
from unigate.mock.endpoints import NAMES
from unigate.mock.usage import stamped

__all__ = ["VERSION", "show", "tags", "version"]

VERSION = "0.12.6"
CREATED = 1_760_000_000
DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "mock",
    "families": ["mock"],
    "parameter_size": "1M",
    "quantization_level": "Q4_K_M",
}


def tags(request: Request) -> Heard:
    """Answers the list of models."""
    return Heard("", False, _tags, named=False)


def _tags(scene: Scene) -> Reply:
    return Reply(encode({"models": [_model(name) for name in NAMES]}))


def _model(name: str) -> dict[str, object]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    at = stamped(CREATED).decode()
    return {"name": name, "model": name, "modified_at": at, "size": 1_000_000, "digest": digest, "details": DETAILS}


def version(request: Request) -> Heard:
    """Answers the version."""
    return Heard("", False, _version, named=False)


def _version(scene: Scene) -> Reply:
    return Reply(encode({"version": VERSION}))


class ShowRequest(msgspec.Struct):
    """Which model is to be shown; older clients call it a name."""

    model: str = ""
    name: str = ""


def show(request: Request) -> Heard:
    """Answers what one model is and can do."""
    told = msgspec.json.decode(request.body, type=ShowRequest)
    return Heard(told.model or told.name, False, _show)


def _show(scene: Scene) -> Reply:
    body = {
        "license": "",
        "modelfile": f"FROM {scene.shown}",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": DETAILS,
        "model_info": {"general.architecture": "mock", "mock.context_length": 131_072, "mock.embedding_length": 256},
        "capabilities": ["completion", "tools", "thinking", "embedding"],
        "modified_at": stamped(CREATED).decode(),
    }
    return Reply(encode(body))
