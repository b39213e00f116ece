"""What every pair of a client and a provider is asked, and what must come of it, whoever asks and whoever answers."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import shake_128

WORDS = ("Hello!", "This", "is", "the", "scripted", "upstream:", "calm,", "exact", "and")
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
# As large as nothing else in a request: whoever drops it sends a request that is too small to hold it.
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + shake_128(b"picture").digest(3000)).decode()
# What the gateway makes of a provider's status: docs/errors.md. Our own account's trouble is not the caller's 401.
STATUS_HERE = {400: 400, 401: 502, 404: 404, 429: 429, 500: 502, 529: 503}


def words(count: int) -> str:
    return " ".join(WORDS[:count])


def tokens(*texts: str) -> int:
    """What the scripted upstream counts for these texts."""
    return -(-sum(len(text.encode()) for text in texts) // 4)


@dataclass(frozen=True)
class Feature:
    """One thing a conversation may need: how it is asked for, what the upstream is told to do, what must come.

    `needs` is what the client's format must be able to say, `sent` how many bytes must reach the upstream at least;
    what is `translated` is the gateway's own doing and cannot be asked of the upstream itself.
    """

    name: str
    script: str
    job: dict
    expected: dict
    streams: tuple[bool, ...] = BOTH
    needs: str = ""
    sent: int = 0
    translated: bool = False


def call(name: str, city: str) -> dict:
    return {"name": name, "arguments": {"city": city}}


def failing(status: int) -> Feature:
    """The provider's own error, which the library raises as the exception its users catch."""
    return Feature(f"error_{status}", f"status={status}", {}, {"status": status})


FEATURES = (
    Feature(
        "text",
        "tokens=7",
        {"prompt": "Say hello."},
        {"text": words(7), "finish": "stop", "usage": {"input": tokens("Say hello."), "output": 7, "cached": 0}},
    ),
    Feature("unicode", "echo", {"prompt": WIDE}, {"text": WIDE, "finish": "stop"}),
    Feature(
        "system",
        "tokens=1",
        {"prompt": "Say hello.", "system": "Be brief, calm and exact."},
        {"text": "Hello!", "usage": {"input": tokens("Say hello.Be brief, calm and exact."), "output": 1, "cached": 0}},
    ),
    Feature(
        "history",
        "echo",
        {"prompt": "Third.", "history": [["user", "First."], ["assistant", "Second."]]},
        {"text": "Third.", "usage": {"input": tokens("First.Second.Third."), "output": 1, "cached": 0}},
    ),
    Feature("image", "tokens=3", {"prompt": "What is it?", "image": PICTURE}, {"text": words(3)}, sent=len(PICTURE)),
    Feature(
        "tool_loop",
        "",
        {"prompt": "What is the weather in Paris?", "tools": [WEATHER], "results": RESULTS},
        {"rounds": [[call("get_weather", "Paris")]], "says": "21 degrees", "finish": "stop"},
    ),
    Feature(
        "tool_call",
        "",
        {"prompt": "What is the weather in Paris?", "tools": [WEATHER, CLOCK]},
        {"rounds": [[call("get_weather", "Paris")]], "text": "", "finish": "tools"},
    ),
    Feature(
        "parallel_tools",
        "tools=2,first=1",
        {"prompt": "Compare the weather of Paris with Rome.", "tools": [WEATHER], "results": RESULTS},
        {"rounds": [[call("get_weather", "Paris"), call("get_weather", "Rome")]], "says": "21 degrees"},
    ),
    Feature(
        "tool_choice_name",
        "",
        {"prompt": "What is it like in Paris?", "tools": [WEATHER, CLOCK], "tool_choice": "get_time"},
        {"rounds": [[call("get_time", "Paris")]], "finish": "tools"},
        needs="tool_name",
    ),
    Feature(
        "tool_choice_none",
        "tokens=2",
        {"prompt": "What is it like in Paris?", "tools": [WEATHER, CLOCK], "tool_choice": "none"},
        {"rounds": [], "text": words(2), "finish": "stop"},
        needs="tool_none",
    ),
    Feature(
        "schema",
        "",
        {"prompt": "Today Ada Lovelace is 36 years old.", "schema": PERSON},
        {"json": {"name": "Ada Lovelace", "age": 36}, "finish": "stop"},
        needs="schema",
    ),
    Feature(
        "thinking",
        "think=5,tokens=6",
        {"prompt": "Think.", "thinking": True},
        {"thinking": words(5), "text": words(6), "finish": "stop"},
    ),
    Feature(
        "thinking_loop",
        "think=5",
        {"prompt": "How warm is Paris?", "thinking": True, "tools": [WEATHER], "results": RESULTS},
        {"thinking": words(5) * 2, "rounds": [[call("get_weather", "Paris")]], "says": "21 degrees"},
    ),
    Feature(
        "redacted_loop",
        "think=5,redacted",
        {"prompt": "How warm is Paris?", "thinking": True, "tools": [WEATHER], "results": RESULTS},
        {"rounds": [[call("get_weather", "Paris")]], "says": "21 degrees"},
    ),
    Feature(
        "interleaved_tools",
        "tools=2,first=1,interleave",
        {"prompt": "Compare the weather of Paris with Rome.", "tools": [WEATHER], "results": RESULTS},
        {"rounds": [[call("get_weather", "Paris"), call("get_weather", "Rome")]], "says": "21 degrees"},
        STREAMED,
    ),
    Feature(
        "stop",
        "tokens=9",
        {"prompt": "Say hello.", "stop": "upstream"},
        {"says": words(5), "never": "upstream", "finish": "sequence"},
        needs="stop",
    ),
    Feature("length", "tokens=9", {"limit": 4}, {"text": words(4), "finish": "length"}),
    Feature("refusal", "refusal", {}, {"refused": True}, needs="refusal"),
    Feature(
        "cached",
        "tokens=1,cached=8",
        {"prompt": "One text which a cache may hold."},
        {"usage": {"input": 8, "output": 1, "cached": 8}},
        needs="cached",
    ),
    *(failing(status) for status in STATUS_HERE),
    Feature("broken_off", "inband=6,pace=5", {}, {"broken": True}, STREAMED),
    Feature("cut", "tokens=9,cut=events:6,pace=5", {}, {"broken": True}, STREAMED, translated=True),
    Feature("wrong_key", "", {"key": "sk-ug-wrong"}, {"stranger": True}, WHOLE),
    Feature("models", "", {"task": "models"}, {"listed": "mock-chat"}, WHOLE, needs="models"),
    Feature(
        "count",
        "",
        {"task": "count", "prompt": "How many tokens is this?"},
        {"tokens": tokens("How many tokens is this?")},
        WHOLE,
        needs="count",
    ),
)
