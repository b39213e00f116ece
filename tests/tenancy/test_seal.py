"""Secrets in the database: sealed with a key that is not there, opened by it alone, and told apart when they cannot."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from unigate.errors import StorageError
from unigate.seal import SealBroken, Seals
from unigate.seal_keys import seal_keys
from unigate.secret import Secret

FIRST, SECOND = Secret("first-secret-of-32-characters-xx"), Secret("second-secret-of-32-characters-x")


def test_a_sealed_secret_opens_again_and_shows_nothing() -> None:
    seals = Seals([FIRST])
    sealed = seals.seal("openai", "sk-very-secret")

    assert seals.open("openai", sealed) == "sk-very-secret"
    assert b"secret" not in msgspec.msgpack.encode(sealed)
    assert seals.seal("openai", "sk-very-secret").content != sealed.content


def test_a_secret_opens_under_its_own_name_alone_and_unchanged() -> None:
    seals = Seals([FIRST])
    sealed = seals.seal("openai", "sk-very-secret")
    changed = msgspec.structs.replace(sealed, content=bytes([sealed.content[0] ^ 1]) + sealed.content[1:])

    for name, one in (("groq", sealed), ("openai", changed)):
        with pytest.raises(SealBroken, match="was changed in the database"):
            seals.open(name, one)


def test_an_old_key_opens_until_everything_is_sealed_anew() -> None:
    sealed = Seals([FIRST]).seal("openai", "sk-very-secret")
    both = Seals([SECOND, FIRST])

    assert both.open("openai", sealed) == "sk-very-secret"
    assert (both.is_newest(sealed), both.is_newest(both.seal("openai", "x"))) == (False, True)
    with pytest.raises(SealBroken, match="sealed with another key"):
        Seals([SECOND]).open("openai", sealed)


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(SealBroken, match="set UNIGATE_SECRET"):
        Seals([]).seal("openai", "x")


def test_the_key_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    first = seal_keys(tmp_path, {})
    file = tmp_path / "secret.key"

    assert seal_keys(tmp_path, {}) == first
    assert (file.stat().st_mode & 0o777, len(first[0].reveal())) == (0o600, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_the_environments_key_goes_first_and_the_files_still_opens(tmp_path: Path) -> None:
    file = seal_keys(tmp_path, {})[0]
    told = {"UNIGATE_SECRET": SECOND.reveal(), "UNIGATE_SECRET_OLD": FIRST.reveal()}

    assert seal_keys(tmp_path, told) == (SECOND, FIRST, file)
    with pytest.raises(StorageError, match="at least 16 characters"):
        seal_keys(tmp_path, {"UNIGATE_SECRET": "short"})
