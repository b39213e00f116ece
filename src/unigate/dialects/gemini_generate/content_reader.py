"""Reads the contents of a request into messages (https://ai.google.dev/api/caching#Content)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.conversation import Block, Foreign, Message, Role, Text, Thinking, ToolResult, ToolUse
from unigate.dialects.gemini_generate.media import inline_medium, stored_medium
from unigate.dialects.gemini_generate.shapes import (
    ABSENT,
    Content,
    Contents,
    FunctionCall,
    FunctionResponse,
    Part,
    Parts,
    ResponsePart,
    given,
)
from unigate.dialects.gemini_generate.slots import ORIGIN, signed
from unigate.errors import Refusal
from unigate.wire.typed import TypedDecoder

__all__ = ["read_contents", "read_system"]

# Under names of the module: an enumeration's members are slow to look up.
_SYSTEM: Final = Role.SYSTEM
_ASSISTANT: Final = Role.ASSISTANT
_ROLES: Final[Mapping[str, Role]] = {
    "user": Role.USER,
    "function": Role.USER,
    "tool": Role.USER,
    "model": Role.ASSISTANT,
}
# What a tool's result is called that is no more than a text (ai.google.dev/api/caching#FunctionResponse).
_ALONE: Final = frozenset({"output", "result", "error"})

_text: Final = TypedDecoder(str, "contents[].parts[].functionResponse.response")
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


def read_contents(contents: Contents) -> tuple[Message, ...]:
    """The messages. Raises Refusal (400) for a role that nobody has."""
    turns = _Turns()
    for number, content in enumerate(contents if isinstance(contents, tuple) else (contents,)):
        turns.add(content, number)
    return tuple(turns.messages)


def read_system(content: Content) -> tuple[Message, ...]:
    """The operator's instructions, if there are any."""
    blocks = tuple([Text(part.text) for part in _parts(content.parts) if part.text])
    return (Message(_SYSTEM, blocks),) if blocks else ()


def _parts(parts: Parts) -> tuple[Part, ...]:
    return parts if isinstance(parts, tuple) else (parts,) if parts is not None else ()


class _Turns:
    """The messages so far, and the calls that no result has answered."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._waiting: list[ToolUse] = []
        self._calls = 0

    def add(self, content: Content, number: int) -> None:
        role = _ROLES.get(content.role or "user")
        if role is None:
            place = f"contents[{number}].role"
            said = f"'{place}' is '{content.role}'; please use a valid role: user, model."
            raise Refusal(400, "invalid_value", said[:300], param=place)
        # A streamed answer's pieces come back as so many contents of the model.
        goes_on = role is _ASSISTANT and self.messages and self.messages[-1].role is role
        blocks: list[Block] = list(self.messages.pop().blocks) if goes_on else []
        for part in _parts(content.parts):
            self._add_part(part, blocks, role)
        if blocks:
            self.messages.append(Message(role, tuple(blocks)))

    def _add_part(self, part: Part, blocks: list[Block], role: Role) -> None:
        mark = signed(part.thought_signature) if part.thought_signature is not None else None
        if part.text is not None and part.thought:
            _add_thought(part.text, mark, blocks)
            return
        foreign = _foreign(part)
        if foreign is not None:
            blocks.append(foreign)
            return
        if mark is not None:
            _add_mark(mark, blocks)
        if part.text and role is _ASSISTANT and blocks and isinstance(last := blocks[-1], Text):
            blocks[-1] = Text(last.text + part.text)
        elif part.text:
            blocks.append(Text(part.text))
        elif part.inline_data is not None:
            blocks.append(inline_medium(part.inline_data))
        elif part.file_data is not None:
            blocks.append(stored_medium(part.file_data))
        elif part.function_call is not None:
            blocks.append(self._call(part.function_call))
        elif part.function_response is not None:
            blocks.append(self._result(part.function_response))

    def _call(self, call: FunctionCall) -> ToolUse:
        self._calls += 1
        arguments = bytes(call.args).decode("utf-8", "replace") if given(call.args) else "{}"
        made = ToolUse(call.id or f"call_{self._calls}", call.name, arguments)
        self._waiting.append(made)
        return made

    def _result(self, response: FunctionResponse) -> ToolResult:
        """The result, with its call's id: where none was told, the first waiting call of that name is meant."""
        for call in self._waiting:
            if call.id == response.id or (not response.id and call.name == response.name):
                self._waiting.remove(call)
                id = call.id
                break
        else:
            self._calls += 1
            id = response.id or f"call_{self._calls}"
        text, is_error = _said(response.response)
        shown = response.parts if isinstance(response.parts, tuple) else (response.parts,) if response.parts else ()
        blocks: list[Block] = [Text(text)] if text else []
        blocks += [medium for part in shown if (medium := _shown(part)) is not None]
        return ToolResult(id, tuple(blocks), is_error, response.name)


def _add_thought(text: str, mark: Thinking | None, blocks: list[Block]) -> None:
    last = blocks[-1] if blocks else None
    if isinstance(last, Thinking) and last.signature is None:
        blocks.pop()
        text = last.text + text
    origin = mark.origin if mark else ORIGIN
    if text or mark:
        blocks.append(Thinking(text, mark.signature if mark else None, origin, mark is not None and mark.redacted))


def _add_mark(mark: Thinking, blocks: list[Block]) -> None:
    """A signature of ours stands for itself; another origin's belongs to the thought that was shown before it."""
    last = blocks[-1] if blocks else None
    if mark.origin != ORIGIN and not mark.redacted and isinstance(last, Thinking) and last.signature is None:
        blocks[-1] = Thinking(last.text, mark.signature, mark.origin, partial=mark.partial)
    else:
        blocks.append(mark)


def _foreign(part: Part) -> Foreign | None:
    """What the service's own tools did, as the part that tells it."""
    is_code = part.executable_code is not ABSENT or part.code_execution_result is not ABSENT
    if not is_code and part.tool_call is ABSENT and part.tool_response is ABSENT:
        return None
    kinds = {
        "executableCode": part.executable_code,
        "codeExecutionResult": part.code_execution_result,
        "toolCall": part.tool_call,
        "toolResponse": part.tool_response,
    }
    for kind, raw in kinds.items():
        if given(raw):
            slot = {"thoughtSignature": part.thought_signature} if part.thought_signature else {}
            return Foreign(ORIGIN, kind, msgspec.Raw(_encode({kind: raw, **slot})))
    return None


def _said(response: msgspec.Raw) -> tuple[str, bool]:
    """A tool's result as text, and whether it is an error."""
    if not given(response):
        return "", False
    try:
        fields = _object.decode(response)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        place = "contents[].parts[].functionResponse.response"
        raise Refusal(400, "invalid_type", f"'{place}' must be an object.", param=place) from error
    if len(fields) == 1:
        name, raw = next(iter(fields.items()))
        if name in _ALONE and bytes(raw).startswith(b'"'):
            return _text.decode(raw)[0], name == "error"
    return bytes(response).decode("utf-8", "replace"), False


def _shown(part: ResponsePart) -> Block | None:
    if part.inline_data is not None:
        return inline_medium(part.inline_data)
    return stored_medium(part.file_data) if part.file_data is not None else None
