"""What a start prints: addresses, providers, keys, and a line to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

import unigate
from unigate.first_start import FirstKeys
from unigate.snapshot import Settings
from unigate.texts import Texts

__all__ = ["Announcement", "announce"]

_QUESTION = '"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 100'


class Announcement(msgspec.Struct, frozen=True):
    """The facts of one start; `keys_file` is where the first keys are, if they were not shown."""

    settings: Settings
    address: str
    model: str
    demo_model: str | None
    keys: FirstKeys | None
    keys_file: Path | None


def announce(facts: Announcement, say: Texts) -> str:
    """The whole text."""
    return "\n".join(_lines(facts, say)) + "\n"


def _lines(facts: Announcement, say: Texts) -> Iterator[str]:
    yield f"\nUnigate {unigate.__version__}\n"
    rows = [
        (say("gateway"), f"{facts.address}   {say('with_v1')}"),
        (say("docs"), f"{facts.address}/docs"),
        (say("providers"), _providers(facts, say)),
        (say("log"), str(Path(facts.settings.logs) / "proxy.log")),
    ]
    for name, value in rows:
        yield f"  {_padded(name, 10)} {value}"
    if facts.keys is not None:
        yield f"\n  {say('keys_once')}"
        yield f"    {_padded(say('admin'), 8)} {facts.keys.admin}"
        yield f"    {_padded(say('client'), 8)} {facts.keys.client}"
    elif facts.keys_file is not None:
        yield "\n  " + say("keys_in", path=facts.keys_file)
    yield f"\n  {say('try')}"
    if facts.keys is None and facts.keys_file is None:
        yield f"    {say('no_key_known')}"
    yield f"    curl {facts.address}/v1/chat/completions -H 'Content-Type: application/json' \\"
    yield f"      -H {_authorization(facts)} \\"
    yield "      -d " + shlex.quote(f'{{"model": "{facts.model}", {_QUESTION}}}') + "\n"


def _authorization(facts: Announcement) -> str:
    if facts.keys is not None:
        return f'"Authorization: Bearer {facts.keys.client}"'
    if facts.keys_file is not None:
        return f"\"Authorization: Bearer $(awk '/^client/ {{print $2}}' {shlex.quote(str(facts.keys_file))})\""
    return '"Authorization: Bearer $UNIGATE_KEY"'


def _providers(facts: Announcement, say: Texts) -> str:
    if facts.settings.demo is None:
        return ", ".join(provider.name for provider in facts.settings.providers)
    return say("demo_local", model=facts.demo_model) if facts.demo_model else say("demo_script")


def _padded(text: str, width: int) -> str:
    """Chinese characters take two columns."""
    columns = sum(2 if ord(letter) > 0x2E80 else 1 for letter in text)
    return text + " " * max(width - columns, 0)
