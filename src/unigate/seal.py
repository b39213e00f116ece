"""Seals secrets for the database, so that whoever reads it without this gateway's key learns nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from unigate.errors import UnigateError
from unigate.secret import Secret

__all__ = ["SealBroken", "Sealed", "Seals"]

_NONCE = 12  # bytes; NIST SP 800-38D, section 8.2, for random ones


class SealBroken(UnigateError):
    """A sealed secret cannot be opened: its key is not here, or it was changed."""


class Sealed(msgspec.Struct, frozen=True):
    """A secret as the database has it; `key_id` says which key opens it, and tells nothing about that."""

    key_id: str
    nonce: bytes
    content: bytes


class Seals:
    """The keys of one gateway: the first seals, all of them open."""

    def __init__(self, given: Sequence[Secret]) -> None:
        # Loaded here: it takes a tenth of a second and 11 MB, and a door needs it only where there is a sealed secret.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        keys = [sha256(b"unigate seal " + one.reveal().encode()).digest() for one in given]
        self._ciphers = {sha256(key).hexdigest()[:16]: AESGCM(key) for key in keys}
        self._newest = next(iter(self._ciphers), None)

    def seal(self, name: str, text: str) -> Sealed:
        """The sealed text, which opens under that name alone. Raises SealBroken if there is no key."""
        if self._newest is None:
            raise SealBroken("There is no key to seal with; set UNIGATE_SECRET.")
        nonce = secrets.token_bytes(_NONCE)
        content = self._ciphers[self._newest].encrypt(nonce, text.encode(), name.encode())
        return Sealed(self._newest, nonce, content)

    def open(self, name: str, sealed: Sealed) -> str:
        """The text again. Raises SealBroken."""
        from cryptography.exceptions import InvalidTag

        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise SealBroken(
                f"The secret of '{name}' was sealed with another key ({sealed.key_id}); "
                "set UNIGATE_SECRET_OLD to that one, or give the secret anew."
            )
        try:
            return cipher.decrypt(sealed.nonce, sealed.content, name.encode()).decode()
        except InvalidTag as error:
            raise SealBroken(f"The secret of '{name}' was changed in the database; give it anew.") from error

    def is_newest(self, sealed: Sealed) -> bool:
        """Whether it was sealed with the key that seals now."""
        return sealed.key_id == self._newest
