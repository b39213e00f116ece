"""The wire formats as benchmarks speak them: what to ask, where, and how to tell that the answer is whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

SYSTEM = "You are a helpful assistant."
WORDS = "Explain in plain words what a gateway does for a language model. "
MOST_TOKENS = 512
TEMPERATURE = 0.7

Json = dict[str, object]


@dataclass(frozen=True, eq=False)
class Format:
    """One wire format: `mark` stands once in each event of its streams, `end` in the last one."""

    name: str
    # How the scripted upstream's address continues, and where below it a call goes.
    base: str
    path: str
    stream_path: str
    request: Callable[[str, str], Json]
    streamed: Json
    # Where a whole answer has its text.
    text_at: tuple[str | int, ...]
    mark: str = "data: "
    end: str = ""
    # Finds the events that have a piece of the text, where Unigate asks for nothing but streams.
    pieces: str = ""
    # What a provider's row needs beyond its address and key, where its name does not say it.
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def short(self) -> str:
        """The name that rows are called by."""
        return "responses" if self.name == "openai.responses" else self.name.partition(".")[0].replace("openai", "chat")

    @property
    def only_streams(self) -> bool:
        """Whether Unigate asks for a stream here even for a client that wants none."""
        return bool(self.pieces)

    def url(self, model: str, *, stream: bool) -> str:
        """Where a model is asked."""
        path = self.stream_path if stream else self.path
        return self.base + path.format(model=quote(model, safe=""))

    def body(self, model: str, *, size: int, stream: bool) -> bytes:
        """A request of about the wanted size."""
        asked = self.streamed if stream or self.only_streams else {}
        room = max(0, size - len(msgspec.json.encode(self.request(model, "") | asked)))
        text = (WORDS * (room // len(WORDS) + 1))[:room]
        return msgspec.json.encode(self.request(model, text) | asked)

    def text(self, answer: bytes) -> str:
        """The text of a whole answer. Raises msgspec.DecodeError or LookupError if it has none."""
        found = re.findall(self.pieces.encode(), answer) if self.only_streams else [answer]
        return "".join(map(self._text, found))

    def _text(self, told: bytes) -> str:
        raw = msgspec.Raw(told)
        for step in self.text_at:
            if isinstance(step, str):
                raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])[step]
            else:
                raw = msgspec.json.decode(raw, type=list[msgspec.Raw])[step]
        return msgspec.json.decode(raw, type=str)


def _chat(model: str, text: str) -> Json:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    return {"model": model, "messages": messages, "temperature": TEMPERATURE, "max_tokens": MOST_TOKENS}


def _responses(model: str, text: str) -> Json:
    more = {"temperature": TEMPERATURE, "max_output_tokens": MOST_TOKENS, "store": False}
    return {"model": model, "instructions": SYSTEM, "input": [{"role": "user", "content": text}], **more}


def _messages(model: str, text: str) -> Json:
    more = {"temperature": TEMPERATURE, "max_tokens": MOST_TOKENS}
    return {"model": model, "system": SYSTEM, "messages": [{"role": "user", "content": text}], **more}


def _generate(model: str, text: str) -> Json:
    return {
        "systemInstruction": {"parts": [{"text": SYSTEM}]},
        "contents": [{"role": "user", "parts": [{"text": text}]}],
        "generationConfig": {"temperature": TEMPERATURE, "maxOutputTokens": MOST_TOKENS},
    }


def _converse(model: str, text: str) -> Json:
    return {
        "system": [{"text": SYSTEM}],
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"temperature": TEMPERATURE, "maxTokens": MOST_TOKENS},
    }


def _ollama(model: str, text: str) -> Json:
    options = {"temperature": TEMPERATURE, "num_predict": MOST_TOKENS}
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    return {"model": model, "messages": messages, "stream": False, "options": options}


def _coze(model: str, text: str) -> Json:
    said = {"role": "user", "type": "question", "content": f"{SYSTEM}\n\n{text}", "content_type": "text"}
    return {"bot_id": model, "user_id": "bench", "additional_messages": [said]}


def _dify(model: str, text: str) -> Json:
    return {"inputs": {"model": model}, "query": f"{SYSTEM}\n\n{text}", "user": "bench", "auto_generate_name": False}


_STREAM: Json = {"stream": True}
_STREAMING: Json = {"response_mode": "streaming"}
_BY_PATH: Json = {}
_VERB = "/models/{model}:"

CHAT = Format(
    *("openai.chat", "/v1", "/chat/completions", "/chat/completions", _chat),
    streamed={"stream": True, "stream_options": {"include_usage": True}},
    text_at=("choices", 0, "message", "content"),
    end="data: [DONE]",
    settings={"kind": "openai"},
)
RESPONSES = Format(
    *("openai.responses", "/v1", "/responses", "/responses", _responses, _STREAM),
    text_at=("output", 0, "content", 0, "text"),
    end="event: response.completed",
    settings={"kind": "openai"},
)
MESSAGES = Format(
    *("anthropic.messages", "/v1", "/messages", "/messages", _messages, _STREAM),
    text_at=("content", 0, "text"),
    end="event: message_stop",
)
GENERATE = Format(
    *(
        "gemini.generate",
        "/v1beta",
        f"{_VERB}generateContent",
        f"{_VERB}streamGenerateContent?alt=sse",
        _generate,
        _BY_PATH,
    ),
    text_at=("candidates", 0, "content", "parts", 0, "text"),
    end='"finishReason":',
)
CONVERSE = Format(
    *("bedrock.converse", "", "/model/{model}/converse", "/model/{model}/converse-stream", _converse, _BY_PATH),
    text_at=("output", "message", "content", 0, "text"),
    mark=":event-type",
    end="messageStop",
    settings={"region": "us-east-1"},
)
COHERE = Format(
    *("cohere.chat", "/v2", "/chat", "/chat", _chat, _STREAM),
    text_at=("message", "content", 0, "text"),
    end='"type":"message-end"',
)
OLLAMA = Format(
    *("ollama.chat", "", "/api/chat", "/api/chat", _ollama, _STREAM),
    text_at=("message", "content"),
    mark='"done":',
    end='"done":true',
)
COZE = Format(
    *("coze.chat", "", "/v3/chat", "/v3/chat", _coze, _STREAM),
    text_at=("content",),
    mark="event:",
    end="event:done",
    pieces=r"event:conversation\.message\.delta\ndata:(.+)",
)
DIFY = Format(
    *("dify.chat", "/v1", "/chat-messages", "/chat-messages", _dify, _STREAMING),
    text_at=("answer",),
    end='"event":"message_end"',
    pieces=r'data: (\{"event":"message",.+)',
)
FORMATS = (CHAT, RESPONSES, MESSAGES, GENERATE, CONVERSE, COHERE, OLLAMA, COZE, DIFY)


@dataclass(frozen=True)
class Pair:
    """A client's format and the format of the target that answers it."""

    client: Format
    spoken: Format

    def __str__(self) -> str:
        return f"{self.client.short}-{self.spoken.short}"


_ALL = (
    *(Pair(CHAT, spoken) for spoken in FORMATS[1:]),
    *(Pair(client, CHAT) for client in (MESSAGES, RESPONSES, GENERATE, OLLAMA)),
)
PAIRS: Mapping[str, Pair] = {str(pair): pair for pair in _ALL}
"""What is measured of translation: a Chat client against every format, and every client's format against Chat."""
