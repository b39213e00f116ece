"""How a provider wants its key: a header that stays the same, or one that is made anew for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from unigate.clock import Wall
from unigate.secret import Secret
from unigate.target import Provider
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


def _late(module: str) -> NewSigner:
    """A signer whose module is loaded when the first provider needs it: its guest takes a tenth of a second."""

    def new_signer(provider: Provider, sender: Sender, wall: Wall) -> Signer:
        make: NewSigner = import_module(module).new_signer
        return make(provider, sender, wall)

    return new_signer


SIGNERS: Mapping[str, NewSigner] = {
    "aws-sigv4": lambda provider, sender, wall: SigV4(provider.signing, provider.key, wall),
    "google": _late("unigate.upstream.google"),
}
"""What signs for each of the other schemes."""
