"""What Gemini's generateContent request says."""

from __future__ import annotations

import re

import msgspec

from unigate.mock.ask import Ask, Piece, Request, Tool, Turn

__all__ = ["Content", "called", "flat", "read"]


class FunctionCall(msgspec.Struct):
    """A call that the model made before."""

    name: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class FunctionResponse(msgspec.Struct):
    """What a function has returned."""

    name: str = ""
    response: msgspec.Raw = msgspec.Raw(b"{}")


class Part(msgspec.Struct, rename="camel"):
    """One part of a content."""

    text: str | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought: bool = False
    thought_signature: str = ""


class Content(msgspec.Struct):
    """One turn of a conversation."""

    parts: list[Part] = []
    role: str | None = None


class Declaration(msgspec.Struct, rename="camel"):
    """A function as a request offers it."""

    name: str
    parameters: msgspec.Raw = msgspec.Raw(b"")
    parameters_json_schema: msgspec.Raw = msgspec.Raw(b"{}")


class Tools(msgspec.Struct, rename="camel"):
    """A group of offered functions."""

    function_declarations: list[Declaration] = []


class CallingConfig(msgspec.Struct, rename="camel"):
    """Which functions may be called."""

    mode: str = "AUTO"
    allowed_function_names: list[str] = []


class ToolConfig(msgspec.Struct, rename="camel"):
    """How tools are used."""

    function_calling_config: CallingConfig | None = None


class ThinkingConfig(msgspec.Struct, rename="camel"):
    """How much the model shall think."""

    thinking_budget: int | None = None


class GenerationConfig(msgspec.Struct, rename="camel"):
    """How the answer shall look."""

    max_output_tokens: int | None = None
    candidate_count: int | None = None
    response_mime_type: str = ""
    response_schema: msgspec.Raw = msgspec.Raw(b"")
    response_json_schema: msgspec.Raw = msgspec.Raw(b"")
    stop_sequences: list[str] = []
    thinking_config: ThinkingConfig | None = None
    response_logprobs: bool = False
    logprobs: int = 0


class GenerateRequest(msgspec.Struct, rename="camel"):
    """What is read of a generate request."""

    contents: list[Content] = []
    system_instruction: Content | None = None
    tools: list[Tools] = []
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None


GENERATE = msgspec.json.Decoder(GenerateRequest)
SNAKE = re.compile(
    rb'(?<!\\)"(system_instruction|tool_config|generation_config|function_declarations|parameters_json_schema|'
    rb"function_calling_config|allowed_function_names|max_output_tokens|candidate_count|response_mime_type|"
    rb"response_schema|response_json_schema|response_logprobs|stop_sequences|thinking_config|thinking_budget|function_call|function_response|thought_signature)"
    rb'"(?=\s*:)'
)
"""The names that are read here, in their other spelling: Google takes both."""


def _camel(name: re.Match[bytes]) -> bytes:
    first, *rest = name[1].split(b"_")
    return b'"%b"' % (first + b"".join([word.title() for word in rest]))


def flat(content: Content | None) -> str:
    """The content's text, its parts put together."""
    return "".join([part.text for part in content.parts if part.text]) if content else ""


def _result(content: Content) -> str | None:
    found = [part.function_response for part in content.parts if part.function_response]
    return " ".join([bytes(result.response).decode() for result in found]) if found else None


def read(request: Request) -> Ask:
    """What this generate request asks for."""
    told = GENERATE.decode(SNAKE.sub(_camel, request.body))
    config = told.generation_config or GenerationConfig()
    calling = told.tool_config.function_calling_config if told.tool_config else None
    users = [text for content in told.contents if content.role in ("user", None) for text in [flat(content)] if text]
    offered = [declared for tools in told.tools for declared in tools.function_declarations]
    return Ask(
        texts=[flat(told.system_instruction), *map(flat, told.contents)],
        model=request.model,
        user_text=users[-1] if users else "",
        stream=":stream" in request.path,
        tool_result=_result(told.contents[-1]) if told.contents else None,
        tools=tuple(Tool(tool.name, tool.parameters or tool.parameters_json_schema) for tool in offered),
        forced=next(iter(calling.allowed_function_names), None) if calling else None,
        may_call=calling is None or calling.mode.upper() != "NONE",
        wants_json=config.response_mime_type == "application/json",
        schema=config.response_schema or config.response_json_schema,
        limit=config.max_output_tokens,
        choices=max(1, min(config.candidate_count or 1, 8)),
        stops=tuple(config.stop_sequences),
        thinks=config.thinking_config is None or config.thinking_config.thinking_budget != 0,
        turns=_turns(told.contents),
        logprobs=config.logprobs if config.response_logprobs else None,
    )


def _turns(contents: list[Content]) -> tuple[Turn, ...]:
    asked = max((n for n, c in enumerate(contents) if c.role != "model" and _result(c) is None), default=-1)
    return tuple(tuple(map(_piece, content.parts)) for content in contents[asked + 1 :] if content.role == "model")


def _piece(part: Part) -> Piece:
    # Google reads both alphabets of base64, and its own client writes the other one.
    signature = part.thought_signature.replace("-", "+").replace("_", "/")
    if part.function_call is not None:
        return Piece("call", called(part.function_call.name, bytes(part.function_call.args)), signature)
    return Piece("thinking" if part.thought else "other", part.text or "", signature)


def called(name: str, args: bytes) -> str:
    """What the signature of a call is made over: its name and its arguments, however they are spelt."""
    told = msgspec.json.encode(msgspec.json.decode(args), order="sorted")
    return f"{name}\n{told.decode()}"
