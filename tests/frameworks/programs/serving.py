"""What every program here shares: the same question, asked for each line of JSON that says where and how."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

QUESTION = "What is the weather in Paris?"


@dataclass(frozen=True)
class Job:
    """Where the model is, and over which API to ask it."""

    flavour: str
    url: str
    key: str
    model: str


class Told:
    """What became of one question: the cities the tool was asked for, the text, whether the tokens were counted."""

    def __init__(self) -> None:
        self.cities: list[str] = []
        self.text = ""
        self.counted = False

    def get_weather(self, city: str) -> str:
        """Tells the weather of a city."""
        self.cities.append(city)
        return "21 degrees"


def serve(play: Callable[[Job, Told], None]) -> None:
    """Answers until there are no more lines; whatever the framework raises is the answer too."""
    for line in sys.stdin:
        told, error = Told(), None
        try:
            play(Job(**json.loads(line)), told)
        except Exception as raised:
            error = repr(raised)[:2000]
        answer = {"cities": told.cities, "text": told.text, "counted": told.counted, "error": error}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
