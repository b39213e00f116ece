"""Signatures over what the model thought, and whether they came back unharmed and in their place."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from unigate.mock.ask import Ask, Fail, Piece, Refused, Scene, Turn
from unigate.mock.words import filler

__all__ = ["blocks", "first_calls", "items", "sealed", "sign"]

BYTES = 160
START = (
    "Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` is enabled, a final `assistant` "
    "message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
)
STAND_INS = ("context/engineering/is/the/way/to/go", "skip/thought/signature/validator")
"""What Google takes for the signature of a call that another model made, in the one alphabet of base64."""
FOUND = {"call": "tool_use", "other": "text", "thinking": "thinking", "redacted": "redacted_thinking"}


def sign(*words: str) -> str:
    """The only signature that fits these words."""
    return base64.b64encode(hashlib.shake_256("\n".join(words).encode()).digest(BYTES)).decode()


def _thoughts(scene: Scene) -> Iterator[Piece]:
    """What the model thought before it called, for it always thinks the same."""
    if scene.script.think:
        text = filler(scene.script.think)
        yield Piece("thinking", text, sign(text))
    if scene.script.redacted:
        yield Piece("redacted", "", sign("redacted"))


def _due(ask: Ask, scene: Scene) -> bool:
    return ask.thinks and ask.tool_result is not None and bool(scene.script.think or scene.script.redacted)


def blocks(ask: Ask, scene: Scene) -> None:
    """Demand that each turn that called a tool begins with its thoughts, as Anthropic does.

    Source: https://docs.claude.com/en/docs/build-with-claude/extended-thinking#preserving-thinking-blocks
    """
    if not _due(ask, scene):
        return
    wanted = tuple(_thoughts(scene))
    for turn in ask.turns or ((),):
        _begins(turn, wanted)


def _begins(turn: Turn, wanted: Turn) -> None:
    for n, thought in enumerate(wanted):
        got = turn[n] if n < len(turn) else Piece("other")
        if got.kind not in ("thinking", "redacted"):
            raise Refused(Fail(400, f"messages.1.content.{n}.type: {START.format(found=FOUND[got.kind])}"))
        if got != thought:
            field = "signature` in `thinking" if got.kind == "thinking" else "data` in `redacted_thinking"
            raise Refused(Fail(400, f"messages.1.content.{n}: Invalid `{field}` block"))


def first_calls(ask: Ask, scene: Scene) -> None:
    """Demand that the first call of each turn bears its signature, as Gemini 3 does.

    Source: https://ai.google.dev/gemini-api/docs/thought-signatures
    """
    if not _due(ask, scene):
        return
    for turn in ask.turns or ((),):
        call = next((piece for piece in turn if piece.kind == "call"), Piece("call"))
        if not call.signature:
            name = call.text.partition("\n")[0]
            told = f"Function call `default_api:{name}` is missing a thought_signature in functionCall parts."
            raise Refused(Fail(400, f"{told} This is required for tools to work correctly."))
        if call.signature not in (sign(call.text), *STAND_INS):
            raise Refused(Fail(400, "Thought signature is not valid."))


def items(ask: Ask, scene: Scene) -> None:
    """Demand that the reasoning comes back before the call it led to, as the Responses API does of stateless clients.

    Source: https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context
    """
    if not _due(ask, scene):
        return
    for turn in ask.turns:
        first = next((n for n, piece in enumerate(turn) if piece.kind == "call"), None)
        thought = next((piece for piece in turn[:first] if piece.kind == "thinking"), None)
        if first is not None and thought is None and not turn[first].text:
            # A call without the id of its item is a new one, which nothing need go before.
            return
        if first is None or thought is None:
            told = "Item of type 'function_call' was provided without its required 'reasoning' item."
            raise Refused(Fail(400, told))
        if ask.encrypted and not thought.signature:
            told = "The reasoning item was not found. Items are not persisted when `store` is set to false."
            raise Refused(Fail(404, told))
        if thought.signature and thought.signature != sealed(filler(scene.script.think)):
            told = "The encrypted content could not be verified. Reason: it could not be decrypted or parsed."
            raise Refused(Fail(400, told, code="invalid_encrypted_content"))


def sealed(text: str) -> str:
    """The thought in the encrypted form of the Responses API."""
    return "gAAAAA" + sign("sealed", text)
