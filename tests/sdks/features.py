"""What every pair of a client and a provider is asked, and what must come of it, whoever asks and whoever answers."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from hashlib import shake_128
from zlib import crc32

SAID = "Hello! This is the scripted upstream: calm, exact and always of the same opinion. It counts every word"
WORDS = tuple(SAID.split())
BOTH = (False, True)
STREAMED = (True,)
WHOLE = (False,)

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"name": "get_weather", "description": "Tells the weather of a city.", "parameters": CITY}
CLOCK = {"name": "get_time", "description": "Tells the time in a city.", "parameters": CITY}
RESULTS = {"get_weather": "21 degrees", "get_time": "noon"}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WIDE = 'café Ω ✓ 你好，世界 👩\u200d🚀 𝄞 "quoted" \\ slash'
# Like nothing else in a request: it is found in what reached the upstream, or nowhere.
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + shake_128(b"picture").digest(300)).decode()
PAPER = base64.b64encode(b"%PDF-1.7\n" + shake_128(b"paper").digest(300)).decode()
SOUND = base64.b64encode(b"RIFF\x24\x01\x00\x00WAVEfmt " + shake_128(b"sound").digest(300)).decode()
# What the gateway makes of a provider's status: docs/errors.md. Our own account's trouble is not the caller's 401.
STATUS_HERE = {400: 400, 401: 502, 404: 404, 429: 429, 500: 502, 529: 503}


def words(count: int) -> str:
    return " ".join(WORDS[:count])


def tokens(*texts: str) -> int:
    """What the scripted upstream counts for these texts."""
    return -(-sum(len(text.encode()) for text in texts) // 4)


def likely(count: int) -> list[list]:
    """The first words as the scripted upstream tells their probabilities, each with two that could stand there."""
    told = [f" {word}" if n else word for n, word in enumerate(WORDS[:count])]
    return [[word, -(crc32(word.encode()) % 1000) / 1000, 2] for word in told]


def sources(count: int) -> list[list[str]]:
    """The sources that the scripted upstream cites for its first words."""
    return [[f"https://example.com/source-{n}", f"Source {n}"] for n in range(count)]


@dataclass(frozen=True)
class Without:
    """The same question with the feature taken out: another script, or other settings (None: left out).

    Whoever promised the feature must be found wrong. What lacks it may be `refused` by the upstream.
    """

    script: str | None = None
    job: dict = field(default_factory=dict)
    refused: bool = False


@dataclass(frozen=True)
class Feature:
    """One thing a conversation may need: how it is asked for, what the upstream is told to do, what must come.

    `without` are all the ways to take it out, `needs` is what the client's format must be able to say or to tell; what
    is `translated` is the gateway's own doing and cannot be asked of the upstream itself.
    """

    name: str
    script: str
    job: dict
    expected: dict
    without: tuple[Without, ...]
    streams: tuple[bool, ...] = BOTH
    needs: str = ""
    translated: bool = False


def said(script: str) -> Without:
    """The upstream is told something else."""
    return Without(script=script)


def asked(**job: object) -> Without:
    """The client asks for something else."""
    return Without(job=job)


def call(name: str, city: str) -> dict:
    return {"name": name, "arguments": {"city": city}}


def failing(status: int) -> Feature:
    """The provider's own error, which the library raises as the exception its users catch."""
    return Feature(f"error_{status}", f"status={status}", {}, {"status": status}, (said("tokens=1"),))


def reaching(name: str, needs: str = "", /, **job: str) -> Feature:
    """Something large in a request, which the upstream shows as it came."""
    prompt, (held,) = {"prompt": "What is it?"}, job.values()
    without = asked(**dict.fromkeys(job))
    return Feature(name, "mirror", prompt | job, {"holds": held}, (without,), needs=needs)


def hinting(name: str, told: object = None, needs: str = "", /, **job: object) -> Feature:
    """A setting that changes no answer here: the upstream shows where it found it, and as what."""
    (value,) = job.values()
    without = asked(**dict.fromkeys(job))
    return Feature(name, "mirror", job, {"heard": value if told is None else told}, (without,), needs=needs or name)


ANYTHING = "anything"
WEATHER_LOOP = {"tools": [WEATHER], "results": RESULTS}
PARIS, ROME = call("get_weather", "Paris"), call("get_weather", "Rome")
TOOLLESS = asked(tools=None, results=None)
NO_RESULT = asked(results=RESULTS | {"get_weather": "no answer"})
# A client that does not bring back what it was told: providers that sign their thoughts refuse it.
FORGETFUL = Without(job={"forgets": True}, refused=True)
LOOPED = {"rounds": [[PARIS]], "says": "21 degrees", "carried": words(5)}

FEATURES = (
    Feature(
        "text",
        "tokens=7",
        {"prompt": "Say hello."},
        {"text": words(7), "finish": "stop", "usage": {"input": tokens("Say hello."), "output": 7, "cached": 0}},
        (said("tokens=6"), asked(prompt="Say hello to all.")),
    ),
    Feature(
        "unicode",
        "echo",
        {"prompt": WIDE},
        {"text": WIDE, "finish": "stop"},
        (asked(prompt=WIDE.encode("ascii", "replace").decode()),),
    ),
    Feature(
        "system",
        "tokens=1",
        {"prompt": "Say hello.", "system": "Be brief, calm and exact."},
        {"text": "Hello!", "usage": {"input": tokens("Say hello.Be brief, calm and exact."), "output": 1, "cached": 0}},
        (asked(system=None),),
    ),
    Feature(
        "history",
        "echo",
        {"prompt": "Third.", "history": [["user", "First."], ["assistant", "Second."]]},
        {"text": "Third.", "usage": {"input": tokens("First.Second.Third."), "output": 1, "cached": 0}},
        (asked(history=None),),
    ),
    reaching("image", image=PICTURE),
    reaching("pdf", "file", file=PAPER),
    reaching("audio", "audio", audio=SOUND),
    Feature(
        "tool_loop",
        "",
        {"prompt": "What is the weather in Paris?", **WEATHER_LOOP},
        {"rounds": [[PARIS]], "says": "21 degrees", "finish": "stop"},
        (TOOLLESS, NO_RESULT),
    ),
    Feature(
        "tool_call",
        "",
        {"prompt": "What is the weather in Paris?", "tools": [WEATHER, CLOCK]},
        {"rounds": [[PARIS]], "text": "", "finish": "tools"},
        (TOOLLESS,),
    ),
    Feature(
        "parallel_tools",
        "tools=2,first=1",
        {"prompt": "Compare the weather of Paris with Rome.", **WEATHER_LOOP},
        {"rounds": [[PARIS, ROME]], "says": "21 degrees"},
        (said(""), NO_RESULT),
    ),
    Feature(
        "tool_choice_name",
        "",
        {"prompt": "What is it like in Paris?", "tools": [WEATHER, CLOCK], "tool_choice": "get_time"},
        {"rounds": [[call("get_time", "Paris")]], "finish": "tools"},
        (asked(tool_choice=None),),
        needs="tool_name",
    ),
    Feature(
        "tool_choice_none",
        "tokens=2",
        {"prompt": "What is it like in Paris?", "tools": [WEATHER, CLOCK], "tool_choice": "none"},
        {"rounds": [], "text": words(2), "finish": "stop"},
        # A bot that may call tools of the client's does not exist.
        (Without(job={"tool_choice": None}, refused=True),),
        needs="tool_none",
    ),
    Feature(
        "schema",
        "",
        {"prompt": "Today Ada Lovelace is 36 years old.", "schema": PERSON},
        {"json": {"name": "Ada Lovelace", "age": 36}, "finish": "stop"},
        (asked(schema=None),),
        needs="schema",
    ),
    hinting("effort", ANYTHING, thinking=True),
    Feature(
        "thinking",
        "think=5,tokens=6",
        {"prompt": "Think.", "thinking": True},
        {"thinking": words(5), "text": words(6), "finish": "stop"},
        (said("tokens=6"),),
    ),
    Feature(
        "thinking_loop",
        "think=5,mirror",
        {"prompt": "How warm is Paris?", "thinking": True, **WEATHER_LOOP},
        {"thinking": words(5) * 2, **LOOPED},
        (said("mirror"), TOOLLESS, FORGETFUL),
    ),
    Feature(
        "redacted_loop",
        "think=5,redacted,mirror",
        {"prompt": "How warm is Paris?", "thinking": True, **WEATHER_LOOP},
        LOOPED,
        (TOOLLESS, FORGETFUL),
    ),
    Feature(
        "interleaved_tools",
        "tools=2,first=1,interleave",
        {"prompt": "Compare the weather of Paris with Rome.", **WEATHER_LOOP},
        {"rounds": [[PARIS, ROME]], "says": "21 degrees"},
        (said("tools=3,first=1,interleave"),),
        STREAMED,
    ),
    Feature(
        "citations",
        "tokens=6,cite=2",
        {},
        {"text": words(6), "citations": sources(2), "quoted": list(WORDS[:2])},
        (said("tokens=6"), said("tokens=6,cite=1")),
        needs="citations",
    ),
    Feature(
        "logprobs",
        "tokens=3",
        {"logprobs": 2},
        {"text": words(3), "logprobs": likely(3)},
        (asked(logprobs=None),),
        needs="logprobs",
    ),
    Feature("n", "tokens=3", {"n": 2}, {"choices": [words(3)] * 2}, (asked(n=None),), needs="n"),
    Feature(
        "stop",
        "tokens=9",
        {"prompt": "Say hello.", "stop": "upstream"},
        {"says": words(5), "never": "upstream", "finish": "sequence"},
        (asked(stop=None),),
        needs="stop",
    ),
    Feature("length", "tokens=18", {"limit": 16}, {"text": words(16), "finish": "length"}, (asked(limit=None),)),
    hinting("temperature", temperature=0.25),
    hinting("seed", seed=20),
    hinting("user", user="somebody-7"),
    hinting("metadata", metadata={"purpose": "matrix"}),
    hinting("cache_key", cache_key="books-1"),
    hinting("cache_mark", ANYTHING, cache_mark=True),
    Feature("refusal", "refusal", {}, {"refused": True}, (said("tokens=3"),), needs="refusal"),
    Feature(
        "cached",
        "tokens=1,cached=8",
        {"prompt": "One text which a cache may hold."},
        {"usage": {"input": 8, "output": 1, "cached": 8}},
        (said("tokens=1"),),
        needs="cached",
    ),
    Feature(
        "cache_written",
        "tokens=1,cached=3,cachewrite=4",
        {"prompt": "One text which a cache may hold."},
        {"usage": {"input": 8, "output": 1, "cached": 3}, "written": 4},
        (said("tokens=1,cached=3"),),
        needs="written",
    ),
    *(failing(status) for status in STATUS_HERE),
    Feature("broken_off", "inband=6,pace=5", {}, {"broken": True}, (said("tokens=9"),), STREAMED),
    Feature(
        "cut", "tokens=9,cut=events:6,pace=5", {}, {"broken": True}, (said("tokens=9"),), STREAMED, translated=True
    ),
    Feature("wrong_key", "", {"key": "sk-ug-wrong"}, {"stranger": True}, (asked(key=None),), WHOLE),
    Feature("models", "", {"task": "models"}, {"listed": "mock-chat"}, (asked(task=None),), WHOLE, needs="models"),
    Feature(
        "count",
        "",
        {"task": "count", "prompt": "How many tokens is this?"},
        {"tokens": tokens("How many tokens is this?")},
        (asked(prompt="How many tokens is this?" * 5),),
        WHOLE,
        needs="count",
    ),
)
