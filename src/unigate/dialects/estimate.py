"""How many tokens an ask is likely to have, where no provider counts them for us.

The rule: four characters of ASCII to a token, two of other alphabets, one of Chinese, Japanese or Korean (half of the
bytes that UTF-8 needs beyond one for each character); 4 tokens for each message and tool; 1600 for a picture, which is
Claude's most; for other media one token to 64 bytes, and 3000 where the content is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from unigate.conversation import (
    Ask,
    Audio,
    Block,
    Data,
    Document,
    Foreign,
    Image,
    Refused,
    Source,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Video,
)
from unigate.dialects.media import plain_text

__all__ = ["tokens_of_ask", "tokens_of_text"]

_FRAME = 4
_PICTURE = 1600
_ELSEWHERE = 3000
_BASE64_TO_TOKEN = 86  # characters that hold 64 bytes


def tokens_of_text(text: str) -> int:
    """The likely tokens of a text, rounded up."""
    plain = len(text.encode("ascii", "ignore"))
    beyond = len(text.encode("utf-8", "surrogatepass")) - len(text)
    return -(-(plain + 2 * beyond) // 4)


def tokens_of_ask(ask: Ask) -> int:
    """The likely input tokens of an ask, never less than one."""
    messages = sum(_FRAME + _tokens_of(message.blocks) for message in ask.messages)
    tools = sum(map(_tokens_of_tool, ask.tools)) + sum(_FRAME + len(bytes(one.raw)) // 4 for one in ask.hosted_tools)
    form = len(bytes(ask.format.schema)) // 4 if ask.format is not None and ask.format.schema is not None else 0
    return max(messages + tools + form, 1)


def _tokens_of_tool(tool: Tool) -> int:
    schema = len(bytes(tool.schema)) // 4 if tool.schema is not None else 0
    return _FRAME + tokens_of_text(tool.name) + tokens_of_text(tool.description or "") + schema


def _tokens_of(blocks: Iterable[Block]) -> int:
    return sum(map(_tokens_of_block, blocks))


def _tokens_of_block(block: Block) -> int:
    match block:
        case Text(text) | Refused(text):
            return tokens_of_text(text)
        case Thinking(text, signature):
            return tokens_of_text(text) or len(signature or "") // 8
        case ToolUse(_, name, arguments):
            return _FRAME + tokens_of_text(name) + tokens_of_text(arguments)
        case ToolResult(_, blocks):
            return _FRAME + _tokens_of(blocks)
        case Image():
            return _PICTURE
        case Foreign(_, _, raw):
            return len(bytes(raw)) // 4
        case Document(source) | Audio(source) | Video(source):
            return _tokens_of_source(source)


def _tokens_of_source(source: Source) -> int:
    text = plain_text(source)
    if text is not None:
        return tokens_of_text(text)
    return len(source.base64) // _BASE64_TO_TOKEN if isinstance(source, Data) else _ELSEWHERE
