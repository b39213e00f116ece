"""What Bedrock's Converse request says."""

from __future__ import annotations

import base64
import binascii

import msgspec

from unigate.mock.ask import Ask, Piece, Request, Tool, Turn

__all__ = ["read"]


class Result(msgspec.Struct):
    """One part of a tool's result."""

    text: str | None = None
    json: msgspec.Raw = msgspec.Raw(b"")


class ToolResult(msgspec.Struct, rename="camel"):
    """What a tool has returned."""

    content: list[Result] = []
    tool_use_id: str = ""


class ReasoningText(msgspec.Struct):
    """A thought with its signature."""

    text: str = ""
    signature: str = ""


class Reasoning(msgspec.Struct, rename="camel"):
    """A thought, to be read or not."""

    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class Block(msgspec.Struct, rename="camel"):
    """One block of a message's content."""

    text: str | None = None
    tool_use: msgspec.Raw = msgspec.Raw(b"")
    tool_result: ToolResult | None = None
    reasoning_content: Reasoning | None = None


class Message(msgspec.Struct):
    """One message of a conversation."""

    role: str
    content: list[Block] = []


class Schema(msgspec.Struct, frozen=True):
    """A schema in the one form that tools have."""

    json: msgspec.Raw = msgspec.Raw(b"{}")


class Spec(msgspec.Struct, rename="camel"):
    """A tool as a request offers it."""

    name: str
    input_schema: Schema = Schema()


class OfferedTool(msgspec.Struct, rename="camel"):
    """An entry of the tools' list; a mark for the cache has no spec."""

    tool_spec: Spec | None = None


class Named(msgspec.Struct):
    """A tool that must be called."""

    name: str = ""


class Choice(msgspec.Struct):
    """A choice of tool."""

    tool: Named | None = None


class ToolConfig(msgspec.Struct, rename="camel"):
    """The tools and the choice among them."""

    tools: list[OfferedTool] = []
    tool_choice: Choice | None = None


class Inference(msgspec.Struct, rename="camel"):
    """How long the answer may be, and where it shall stop."""

    max_tokens: int | None = None
    stop_sequences: list[str] = []


class JsonSchema(msgspec.Struct):
    """A JSON Schema, written as a string."""

    schema: str = "{}"


class Structure(msgspec.Struct, rename="camel"):
    """The structure that the text shall have."""

    json_schema: JsonSchema | None = None


class TextFormat(msgspec.Struct):
    """The format that the text shall have."""

    structure: Structure | None = None


class OutputConfig(msgspec.Struct, rename="camel"):
    """How the answer shall look."""

    text_format: TextFormat | None = None


class Typed(msgspec.Struct):
    """Something of the model's own that is named by its type: whether it shall think, or which tool it shall call."""

    type: str = ""


class ModelFields(msgspec.Struct):
    """What goes to the model as it is, in the model's own names."""

    thinking: Typed | None = None
    tool_choice: Typed | None = None


class ConverseRequest(msgspec.Struct, rename="camel"):
    """What is read of a Converse request."""

    messages: list[Message] = []
    system: list[Block] = []
    tool_config: ToolConfig | None = None
    inference_config: Inference | None = None
    output_config: OutputConfig | None = None
    additional_model_request_fields: ModelFields | None = None


CONVERSE = msgspec.json.Decoder(ConverseRequest)


def read(request: Request) -> Ask:
    """What this Converse request asks for."""
    told = CONVERSE.decode(request.body)
    tools, inference = told.tool_config or ToolConfig(), told.inference_config or Inference()
    named = tools.tool_choice.tool if tools.tool_choice else None
    users = [text for message in told.messages if message.role == "user" if (text := _flat(message.content))]
    fields = told.additional_model_request_fields or ModelFields()
    schema = _schema(told.output_config)
    return Ask(
        texts=[_flat(told.system), *(_flat(m.content) + (_result(m) or "") for m in told.messages)],
        user_text=users[-1] if users else "",
        stream=request.path.endswith("-stream"),
        tool_result=_result(told.messages[-1]) if told.messages else None,
        tools=tuple(Tool(t.tool_spec.name, t.tool_spec.input_schema.json) for t in tools.tools if t.tool_spec),
        forced=named.name if named else None,
        may_call=fields.tool_choice is None or fields.tool_choice.type != "none",
        wants_json=schema is not None,
        schema=msgspec.Raw((schema or "").encode()),
        limit=inference.max_tokens,
        stops=tuple(inference.stop_sequences),
        thinks=fields.thinking is None or fields.thinking.type != "disabled",
        turns=_turns(told.messages),
    )


def _schema(config: OutputConfig | None) -> str | None:
    structure = config.text_format.structure if config and config.text_format else None
    return structure.json_schema.schema if structure and structure.json_schema else None


def _flat(content: list[Block]) -> str:
    return "".join([block.text for block in content if block.text])


def _result(message: Message) -> str | None:
    found = [block.tool_result for block in message.content if block.tool_result]
    if not found:
        return None
    return " ".join([part.text or bytes(part.json).decode() for result in found for part in result.content])


def _turns(messages: list[Message]) -> tuple[Turn, ...]:
    asked = max((n for n, m in enumerate(messages) if m.role == "user" and _result(m) is None), default=-1)
    return tuple(
        tuple(_piece(block) for block in message.content)
        for message in messages[asked + 1 :]
        if message.role == "assistant"
    )


def _piece(block: Block) -> Piece:
    if bytes(block.tool_use):
        return Piece("call")
    thought = block.reasoning_content
    if thought is None:
        return Piece("other")
    if thought.reasoning_text is not None:
        return Piece("thinking", thought.reasoning_text.text, thought.reasoning_text.signature)
    return Piece("redacted", "", _opened(thought.redacted_content or ""))


def _opened(blob: str) -> str:
    try:
        return base64.b64decode(blob, validate=True).decode("latin-1")
    except binascii.Error:
        return ""
