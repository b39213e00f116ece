"""The Gemini generateContent format: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Cite, Event, Fail, Finish, Reply, Scene, ToolCall
from unigate.mock.likely import logprob
from unigate.mock.proof import sign
from unigate.mock.reads_gemini import called
from unigate.mock.usage import number
from unigate.mock.words import pieces, tokens_of

__all__ = ["body", "count", "error", "events", "events_array", "stranger", "stream_error"]

FINISH = {Finish.STOP: "STOP", Finish.LENGTH: "MAX_TOKENS", Finish.REFUSAL: "SAFETY", Finish.FILTER: "SAFETY"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
RATINGS = b"".join(
    b'{"category":"HARM_CATEGORY_%b","probability":"%b"%b},' % told
    for told in (
        (b"DANGEROUS_CONTENT", b"HIGH", b',"blocked":true'),
        (b"HARASSMENT", b"NEGLIGIBLE", b""),
        (b"HATE_SPEECH", b"NEGLIGIBLE", b""),
        (b"SEXUALLY_EXPLICIT", b"NEGLIGIBLE", b""),
    )
)[:-1]
Json = dict[str, object]


def count(ask: Ask, scene: Scene) -> Reply:
    """The answer to a count of tokens."""
    return Reply(b'{"totalTokens":%b}' % number(scene.script.usage, tokens_of(ask.texts)))


def _usage(answer: Answer, scene: Scene, output: int) -> bytes:
    lie = scene.script.usage
    thoughts = min(answer.reasoned, output)
    said = number(lie, output - thoughts)
    rest = b"" if thoughts and thoughts == output and lie == "honest" else b',"candidatesTokenCount":' + said
    cached = min(scene.script.cached, answer.input_tokens)
    told = number(lie, answer.input_tokens)
    return b'{"promptTokenCount":%b%b,"totalTokenCount":%b%b%b,"promptTokensDetails":[%b]}' % (
        told,
        rest,
        number(lie, answer.input_tokens + output),
        b',"cachedContentTokenCount":%d' % cached if cached else b"",
        b',"thoughtsTokenCount":%d' % thoughts if thoughts else b"",
        b'{"modality":"TEXT","tokenCount":%b}' % told,
    )


def _tail(answer: Answer, scene: Scene, output: int) -> bytes:
    usage = b""
    if scene.script.usage != "none":
        usage = b',"usageMetadata":' + _usage(answer, scene, output)
    return b'%b,"modelVersion":%b,"responseId":"%b"}' % (usage, encode(scene.shown), scene.tag.encode())


def _call_parts(answer: Answer, scene: Scene) -> list[bytes]:
    parts: list[bytes] = []
    for n, call in enumerate(answer.calls):
        told = b"" if scene.script.noid else b',"id":"%b%d"' % (scene.tag.encode(), n)
        named = encode(call.name)
        # Of calls made together only the first is signed.
        signed = b',"thoughtSignature":"%b"' % _signature(call) if answer.thinking and n == 0 else b""
        parts.append(b'{"functionCall":{"name":%b,"args":%b%b}%b}' % (named, call.arguments.encode(), told, signed))
    return parts


def _signature(call: ToolCall) -> bytes:
    try:
        return sign(called(call.name, call.arguments.encode())).encode()
    except msgspec.DecodeError:  # arguments that the script breaks
        return sign(call.name).encode()


def _ending(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """What a candidate says beside its content when it is complete."""
    if scene.script.nofinish:
        return b""
    reason = answer.ending(FINISH)
    told = b',"finishReason":' + encode(reason)
    if answer.calls:
        told += b',"finishMessage":"Model generated function call(s)."'
    if reason == "SAFETY":
        told += b',"safetyRatings":[%b]' % RATINGS
    if answer.cites:
        told += b',"groundingMetadata":' + encode(_grounding(answer))
    return told


def _grounding(answer: Answer) -> Json:
    chunks = [{"web": {"uri": cite.url, "title": cite.title}} for cite in answer.cites]
    supports = [
        {"segment": _segment(answer.text, cite), "groundingChunkIndices": [n]} for n, cite in enumerate(answer.cites)
    ]
    return {"webSearchQueries": ["the script"], "groundingChunks": chunks, "groundingSupports": supports}


def _segment(text: str, cite: Cite) -> Json:
    """A place in the text, counted in bytes; a place at the very start is told by its end alone."""
    start, end = (len(text[:at].encode("utf-8", "replace")) for at in (cite.start, cite.end))
    told: Json = {"startIndex": start} if start else {}
    return told | {"endIndex": end, "text": text[cite.start : cite.end]}


def _likely(ask: Ask, text: str) -> bytes:
    if ask.logprobs is None or not text:
        return b""
    chosen = [{"token": word, "tokenId": n, "logProbability": logprob(word)} for n, word in enumerate(pieces(text))]
    top = [{"candidates": [told] * ask.logprobs} for told in chosen] if ask.logprobs else []
    return b',"logprobsResult":' + encode({"topCandidates": top, "chosenCandidates": chosen})


def _candidate(parts: list[bytes], rest: bytes, index: int = 0) -> bytes:
    content = b'"content":{"parts":[%b],"role":"model"}' % b",".join(parts) if parts else b'"content":{}'
    return b'{%b%b,"index":%d}' % (content, rest, index)


def _blocked(answer: Answer, scene: Scene) -> bytes:
    """The answer to a prompt that is blocked before any candidate is made."""
    return b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}%b' % _tail(answer, scene, 0)


def _is_blocked(answer: Answer, scene: Scene) -> bool:
    return scene.script.refusal and answer.finish is Finish.FILTER


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    if _is_blocked(answer, scene):
        return _blocked(answer, scene)
    parts = [b'{"text":%b,"thought":true}' % encode(answer.thinking)] if answer.thinking else []
    if answer.text:
        signed = b',"thoughtSignature":"%b"' % sign(answer.text).encode() if answer.thinking else b""
        parts.append(b'{"text":%b%b}' % (encode(answer.text), signed))
    parts += _call_parts(answer, scene)
    rest = _ending(ask, answer, scene) + _likely(ask, answer.text)
    candidates = [_candidate(parts, rest, n) for n in range(ask.choices)]
    return b'{"candidates":[%b]%b' % (b",".join(candidates), _tail(answer, scene, answer.output_tokens * ask.choices))


def _objects(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    if _is_blocked(answer, scene):
        yield _blocked(answer, scene), 0
        return
    said = scene.script.reasoning
    for choice in range(ask.choices):
        for text, field in ((answer.thinking, b',"thought":true'), (answer.text, b"")):
            for piece in pieces(text):
                said += 1
                part = b'{"text":%b%b}' % (encode(piece), field)
                told = _candidate([part], b"" if field else _likely(ask, piece), choice)
                yield b'{"candidates":[%b]%b' % (told, _tail(answer, scene, said)), 1
    for _ in range(1 + scene.script.twice):
        for choice in range(ask.choices):
            last = _candidate(_last_parts(answer, scene), _ending(ask, answer, scene), choice)
            yield b'{"candidates":[%b]%b' % (last, _tail(answer, scene, answer.output_tokens * ask.choices)), 0


def _last_parts(answer: Answer, scene: Scene) -> list[bytes]:
    if answer.finish is Finish.REFUSAL:
        return []
    signed = b'{"text":"","thoughtSignature":"%b"}' % sign(answer.text).encode()
    return _call_parts(answer, scene) or [signed]


def _billed(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    left = answer.output_tokens * ask.choices - scene.script.reasoning
    for told, tokens in _objects(ask, answer, scene):
        left -= tokens
        yield told, tokens if tokens else max(left, 0)
        left = left if tokens else 0


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer as server-sent events."""
    for told, tokens in _billed(ask, answer, scene):
        yield b"data: %b\r\n\r\n" % told, tokens


def events_array(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer as one JSON array that grows."""
    lead = b"["
    for told, tokens in _billed(ask, answer, scene):
        yield lead + told, tokens
        lead = b",\r\n"
    yield b"" if scene.script.nodone else b"]", 0


def error(fail: Fail) -> bytes:
    """The error in Google's shape."""
    status = fail.type or STATUSES.get(fail.status, "INTERNAL" if fail.status >= 500 else "INVALID_ARGUMENT")
    told: Json = {"code": fail.status, "message": fail.message, "status": status}
    details: list[Json] = []
    if fail.code:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": fail.code})
    if fail.retry_after and fail.retry_after.isdigit():
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fail.retry_after}s"})
    if details:
        told["details"] = details
    return encode({"error": told})


def stream_error(fail: Fail) -> bytes:
    """The error in the middle of a stream: plain JSON, although the stream is labelled as events."""
    return error(fail)


def stranger(masked: str) -> Fail:
    """The refusal of a key that nobody knows: a 400."""
    return Fail(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", "API_KEY_INVALID")
