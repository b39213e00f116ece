"""How a provider wants its key: a header that stays the same, or one that is made anew for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from unigate.clock import Wall
from unigate.secret import Secret
from unigate.target import Provider
from unigate.upstream.google import GoogleTokens
from unigate.upstream.signed import Sender, Signer
from unigate.upstream.sigv4 import SigV4

__all__ = ["AUTH", "SIGNERS"]


def _bearer(key: Secret) -> tuple[str, str] | None:
    return ("authorization", f"Bearer {key.reveal()}") if key else None


AUTH: Mapping[str, Callable[[Secret], tuple[str, str] | None]] = {
    "bearer": _bearer,
    "access-token": _bearer,
    "x-api-key": lambda key: ("x-api-key", key.reveal()) if key else None,
    "azure-key": lambda key: ("api-key", key.reveal()),
    "x-goog-api-key": lambda key: ("x-goog-api-key", key.reveal()),
    "none": lambda key: None,
}
"""The header of each scheme whose header stays the same."""

NewSigner = Callable[[Provider, Sender, Wall], Signer]


SIGNERS: Mapping[str, NewSigner] = {
    "aws-sigv4": lambda provider, sender, wall: SigV4(provider.signing, provider.key, wall),
    "google": lambda provider, sender, wall: GoogleTokens(Path(provider.signing.credentials_file), sender, wall),
}
"""What signs for each of the other schemes."""
