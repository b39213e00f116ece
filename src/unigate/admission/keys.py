"""Who is calling: the one place that turns a request's headers into a verified caller."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from unigate.call import Caller
from unigate.errors import Refusal

__all__ = ["Keyring", "hash_key", "identify", "new_key"]

Keyring = Mapping[bytes, Caller]
"""Callers by the SHA-256 of their key; a key is 256 random bits, so a fast hash is the right one."""

_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")


def new_key(role: str) -> str:
    """A fresh random key; the prefix lets people and secret scanners recognise it."""
    prefix = "sk-ug-admin-" if role == "admin" else "sk-ug-"
    return prefix + secrets.token_urlsafe(32)


def hash_key(key: bytes) -> bytes:
    """What is stored of a key: its SHA-256."""
    return hashlib.sha256(key).digest()


def identify(headers: Mapping[bytes, bytes], query: bytes, keyring: Keyring) -> Caller:
    """The caller a request's one credential proves. Raises Refusal (401) for none, an unknown one, or two different."""
    given = _bearer(headers.get(b"authorization", b""))
    if query or b"x-api-key" in headers or b"api-key" in headers or b"x-goog-api-key" in headers:
        given = _one_of(given, headers, query)
    if not given:
        raise _refused("no_api_key", "No API key was sent; send it as 'Authorization: Bearer <key>'.")
    caller = keyring.get(hash_key(given))
    if caller is None:
        raise _refused(
            "invalid_api_key", "The API key is not known here; check it, or make one with 'unigate keys create'."
        )
    return caller


def _bearer(value: bytes) -> bytes:
    return value[7:].strip() if value[:7].lower() == b"bearer " else b""


def _one_of(given: bytes, headers: Mapping[bytes, bytes], query: bytes) -> bytes:
    """The one credential that all places agree on."""
    for name in _HEADERS:
        given = _same(given, headers.get(name, b"").strip())
    for field in query.split(b"&"):
        if field.startswith(b"key="):
            given = _same(given, unquote_to_bytes(field[4:].replace(b"+", b" ")).strip())
    return given


def _same(one: bytes, other: bytes) -> bytes:
    if one and other and one != other:
        raise _refused("two_api_keys", "Two different API keys were sent in one request; send one.")
    return one or other


def _refused(code: str, message: str) -> Refusal:
    return Refusal(401, code, message, type="authentication_error", headers=(("www-authenticate", "Bearer"),))
