"""Gathers what a reader finds in an answer or in a request, and tells it as facts of one shape for every format."""

from __future__ import annotations

from dataclasses import dataclass, field

from recordings.reader.look import canonical, json_sha, parsed, sha, text_fact
from recordings.replay import Json, Object

__all__ = ["Answer", "Asked", "Call", "Message", "Result", "Usage"]


@dataclass
class Usage:
    """Tokens as the provider bills them: cached input is part of the input, reasoning is part of the output."""

    input_total: int | None = None
    output_total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None

    def facts(self) -> Object:
        """The five numbers; null where the provider did not tell."""
        return {
            "input_total": self.input_total,
            "output_total": self.output_total,
            "cached": self.cached,
            "cache_write": self.cache_write,
            "reasoning": self.reasoning,
        }


@dataclass
class Call:
    """A call of one of the client's tools, as its pieces arrive."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    value: Json = None
    """The arguments where the format carries them as JSON and not as text."""
    plain: bool = False
    """The tool takes free text, not JSON."""

    def facts(self) -> Object:
        """Name, id and the hash of the arguments; `arguments_are` says what is unusual about them.

        No arguments ("" or null) are the same as {}: a tool without parameters was called. Free text, and text that
        is not JSON, is hashed as it is.
        """
        unusual, digest = self._judged()
        fact: Object = {"id": self.id, "id_present": bool(self.id), "name": self.name, "arguments": digest}
        return {**fact, "arguments_are": unusual} if unusual else fact

    def _judged(self) -> tuple[str, str]:
        if self.plain:
            return "text", sha(self.arguments)
        if self.value is not None:
            return "", json_sha(self.value)
        if not self.arguments:
            return "empty", json_sha({})
        good, value = parsed(self.arguments)
        if not good:
            return "not JSON", sha(self.arguments)
        return ("null", json_sha({})) if value is None else ("", json_sha(value))


@dataclass
class Answer:
    """What a reader has found in an answer so far."""

    text: str = ""
    text_completed: str = ""
    """The text a stream tells again when a message is complete."""
    plan: str = ""
    thinking: str = ""
    signatures: list[str] = field(default_factory=list[str])
    signatures_in_events: list[str] = field(default_factory=list[str])
    """Signatures told earlier in a stream, where the end of the stream tells others."""
    calls: list[Call] = field(default_factory=list[Call])
    refusal: str = ""
    finish: str | None = None
    finish_raw: str | None = None
    usage: Usage | None = None
    billed: Usage | None = None
    """What is billed, where a format tells it apart from the usage."""
    model: str | None = None
    id: str | None = None
    citations: int = 0
    hosted: int = 0
    media: dict[str, int] = field(default_factory=dict[str, int])
    choices: int = 1
    error: Object | None = None
    ended_properly: bool = True
    odd: list[str] = field(default_factory=list[str])

    def facts(self, *, streamed: bool, status: int) -> Object:
        """All facts. An answer that stopped of itself after calling the client's tools has stopped for them."""
        finish = "tool_calls" if self.finish == "stop" and self.calls else self.finish
        facts: Object = {
            "status": status,
            "stream": streamed,
            "ended_properly": self.ended_properly,
            "model": self.model or None,
            "id": self.id or None,
            "choices": self.choices,
            "text": text_fact(self.text),
            "thinking": text_fact(self.thinking),
            "signatures": [sha(signature) for signature in self.signatures],
            "tools": [call.facts() for call in self.calls],
            "refusal": text_fact(self.refusal),
            "finish": finish,
            "finish_raw": self.finish_raw,
            "usage": self.usage.facts() if self.usage else None,
            "citations": self.citations,
            "hosted": self.hosted,
            "media": dict(sorted(self.media.items())),
            "error": self.error,
        }
        if self.billed and self._billed_apart(self.billed):
            facts["billed"] = self.billed.facts()
        if self.text_completed not in ("", self.text):
            facts["text_completed"] = text_fact(self.text_completed)
        if self.plan:
            facts["plan"] = text_fact(self.plan)
        if self.signatures_in_events:
            facts["signatures_in_events"] = [sha(signature) for signature in self.signatures_in_events]
        return facts

    def _billed_apart(self, billed: Usage) -> bool:
        usage = self.usage or Usage()
        return (usage.input_total, usage.output_total) != (billed.input_total, billed.output_total)

    def saw(self, kind: str) -> None:
        """One more image, audio or file in the answer."""
        self.media[kind] = self.media.get(kind, 0) + 1


@dataclass
class Result:
    """What a tool gave back: its text, or its JSON value where the format carries one."""

    id: str = ""
    name: str = ""
    text: str = ""
    value: Json = None
    failed: bool | None = None

    def facts(self) -> Object:
        """`text` is the text; `json` is the hash of the value, also where the text spells an object or a list."""
        value = self.value if self.value is not None else parsed(self.text)[1]
        digest = json_sha(value) if isinstance(value, dict | list) else None
        fact: Object = {"id": self.id, "text": text_fact(self.text), "json": digest}
        if self.name:
            fact["name"] = self.name
        return fact if self.failed is None else {**fact, "failed": self.failed}


@dataclass
class Message:
    """One message of a request."""

    role: str
    text: str = ""
    media: dict[str, int] = field(default_factory=dict[str, int])

    def saw(self, kind: str) -> None:
        """One more image, audio, video or file in the message."""
        self.media[kind] = self.media.get(kind, 0) + 1

    def facts(self) -> Object:
        """Role, hash of the text, counts of all that is not text."""
        fact: Object = {"role": self.role, "text": text_fact(self.text)}
        return {**fact, "media": dict(sorted(self.media.items()))} if self.media else fact


@dataclass
class Asked:
    """What a reader has found in a request so far."""

    model: str | None = None
    stream: bool = False
    roles: list[str] = field(default_factory=list[str])
    """The role of every message on the wire, in order; Gemini's "model" is the assistant."""
    system: list[str] = field(default_factory=list[str])
    messages: list[Message] = field(default_factory=list[Message])
    calls: list[Call] = field(default_factory=list[Call])
    results: list[Result] = field(default_factory=list[Result])
    thinking: str = ""
    signatures: list[str] = field(default_factory=list[str])
    tools: list[str] = field(default_factory=list[str])
    schemas: list[Json] = field(default_factory=list[Json])
    hosted: list[str] = field(default_factory=list[str])
    tool_choice: str | None = None
    parallel: bool | None = None
    max_tokens: int | None = None
    stop: list[str] = field(default_factory=list[str])
    temperature: Json = None
    top_p: Json = None
    format_kind: str | None = None
    format_schema: Json = None
    inputs: list[Json] = field(default_factory=list[Json])
    """What is to be embedded or ranked, told by its hash."""
    more: Object = field(default_factory=dict[str, Json])
    odd: list[str] = field(default_factory=list[str])

    def message(self, role: str) -> Message:
        """A new last message."""
        self.roles.append(role)
        self.messages.append(Message(role))
        return self.messages[-1]

    def offers(self, name: str, schema: Json) -> None:
        """One more tool of the client's is on offer."""
        self.tools.append(name)
        self.schemas.append(schema)

    def facts(self) -> Object:
        """All facts that there are; a message that holds only calls or results is told by those alone."""
        schema = None if self.format_schema is None else json_sha(self.format_schema)
        told: Object = {
            "model": self.model,
            "stream": self.stream,
            "roles": [*self.roles],
            "system": [text_fact(part) for part in self.system],
            "messages": [message.facts() for message in self.messages if message.text or message.media],
            "calls": [call.facts() for call in self.calls],
            "results": [result.facts() for result in self.results],
            "thinking": text_fact(self.thinking),
            "signatures": [sha(signature) for signature in self.signatures],
            "tools": [*self.tools],
            "schemas": [None if schema is None else json_sha(schema) for schema in self.schemas],
            "hosted": [*self.hosted],
            "tool_choice": self.tool_choice,
            "parallel": self.parallel,
            "max_tokens": self.max_tokens,
            "stop": [sha(word) for word in self.stop],
            "temperature": None if self.temperature is None else float(canonical(self.temperature)),
            "top_p": None if self.top_p is None else float(canonical(self.top_p)),
            "format": {"kind": self.format_kind, "schema": schema} if self.format_kind else None,
            "inputs": self.inputs,
            **self.more,
        }
        return {name: value for name, value in told.items() if value not in (None, [])}
