"""The `thoughtSignature` slot of a part, which carries signatures of every origin.

The slot has no place beside it to say that a thought was redacted, or that its words were not shown, so that is told
with the origin.
"""

from __future__ import annotations

from unigate.conversation import Thinking
from unigate.dialects.gemini_generate.spelling import standard_base64
from unigate.dialects.signatures import unwrap, wrap

__all__ = ["ORIGIN", "PLACEHOLDER", "UNSIGNED", "signed", "slot_of"]

ORIGIN = "gemini.generate"

PLACEHOLDER = "skip_thought_signature_validator"
"""Stands for the signature of a call Gemini did not make (https://ai.google.dev/gemini-api/docs/thought-signatures)."""

UNSIGNED = wrap("", "")
"""Marks a call that another format's model made and nobody signed: Gemini refuses one without a signature."""

_NONE = frozenset({PLACEHOLDER, "context_engineering_is_the_way_to_go", UNSIGNED})
_REDACTED, _PARTIAL = "redacted", "partial"


def slot_of(signature: str, origin: str, *, redacted: bool, partial: bool) -> str:
    """What to put into the slot for a signature."""
    if origin == ORIGIN:
        return signature
    told = [word for word, holds in ((_REDACTED, redacted), (_PARTIAL, partial)) if holds]
    return wrap(signature, "+".join([origin, *told]))


def signed(slot: str | None) -> Thinking | None:
    """The reasoning that a slot's content stands for, if any."""
    if not slot or slot in _NONE:
        return None
    # The Python SDK decodes the slot and encodes it again, in another alphabet.
    signature, origin = unwrap(standard_base64(slot), ORIGIN)
    if origin == ORIGIN:
        return Thinking("", slot, ORIGIN)
    maker, *told = origin.split("+")
    return Thinking("", signature, maker, _REDACTED in told, partial=_PARTIAL in told)
