"""Providers that administration made: their facts in the open, their secrets sealed until they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from unigate.seal import SealBroken, Sealed, Seals
from unigate.secret import Secret
from unigate.target import Provider

__all__ = ["Added", "ProviderEntry", "entry_of", "open_providers", "price_section_of"]


class ProviderEntry(msgspec.Struct, frozen=True):
    """A provider as it is kept and told to doors; the facts are a Provider without its secrets."""

    name: str
    facts: msgspec.Raw
    secrets: Sealed

    @property
    def mark(self) -> bytes:
        """What tells it apart from the same provider before a change."""
        return self.name.encode() + b"\0" + bytes(self.facts) + b"\0" + self.secrets.content


class Added(msgspec.Struct, frozen=True):
    """The opened ones by their marks, and why others cannot be opened, by name."""

    providers: Mapping[bytes, Provider] = {}
    broken: Mapping[str, str] = {}


class _Priced(msgspec.Struct):
    prices: str = ""


class _Secrets(msgspec.Struct):
    key: str
    session_token: str


_NONE = Secret("")


def entry_of(provider: Provider, seals: Seals) -> ProviderEntry:
    """A provider with its secrets sealed. Raises SealBroken if there is no key to seal with."""
    secrets = _Secrets(provider.key.reveal(), provider.signing.session_token.reveal())
    sealed = seals.seal(provider.name, msgspec.json.encode(secrets).decode())
    bare = msgspec.structs.replace(
        provider, key=_NONE, signing=msgspec.structs.replace(provider.signing, session_token=_NONE)
    )
    return ProviderEntry(provider.name, msgspec.Raw(msgspec.json.encode(bare, enc_hook=_nothing)), sealed)


def price_section_of(entry: ProviderEntry) -> str:
    """Which section of the table of prices its models are in."""
    return msgspec.json.decode(entry.facts, type=_Priced).prices


def open_providers(entries: Sequence[ProviderEntry], keys: Sequence[Secret], before: Added) -> Added:
    """The providers of these entries; one that did not change is the same object as before."""
    if not entries:
        return _EMPTY
    seals = Seals(keys)
    opened: dict[bytes, Provider] = {}
    broken: dict[str, str] = {}
    for entry in entries:
        try:
            opened[entry.mark] = before.providers.get(entry.mark) or _opened(entry, seals)
        except SealBroken as error:
            broken[entry.name] = str(error)
    return Added(opened, broken)


_EMPTY = Added()


def _opened(entry: ProviderEntry, seals: Seals) -> Provider:
    bare = msgspec.json.decode(entry.facts, type=Provider, dec_hook=_secret)
    told = msgspec.json.decode(seals.open(entry.name, entry.secrets), type=_Secrets)
    signing = msgspec.structs.replace(bare.signing, session_token=Secret(told.session_token))
    return msgspec.structs.replace(bare, key=Secret(told.key), signing=signing)


def _nothing(value: object) -> str:
    """Stands for each secret, which is empty here."""
    return ""


def _secret(kind: type, value: object) -> Secret:
    return Secret(str(value))
