"""Official libraries raise their own exceptions for what goes wrong behind the gateway, also in mid-stream."""

from __future__ import annotations

from pathlib import Path

import pytest
import toolchains
from toolchains import EXAMPLES

PROGRAMS = Path(__file__).parent / "programs"
KINDS = {
    400: "BadRequestError",
    401: "InternalServerError",  # our account's trouble, not the caller's
    404: "NotFoundError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "InternalServerError",
}
BROKEN = ["script:cut=events:3", "script:cut=mid:3", "script:reset=events:3", "script:inband=3"]


@pytest.fixture(params=["python2", "python3", "javascript"])
def program(request, node) -> list[str]:
    """The command that prints which error each official library raises."""
    if request.param == "javascript":
        return node(PROGRAMS / "errors.mjs")
    requirements = EXAMPLES / "python-openai" / f"requirements-openai{request.param[-1]}.txt"
    return [*toolchains.python(requirements), str(PROGRAMS / "errors.py")]


def test_a_status_becomes_the_librarys_own_exception(run, program):
    kinds = {f"script:status={status}": kind for status, kind in KINDS.items()}

    done = run(program, UNIGATE_MODELS=" ".join(kinds))

    assert (done.err, done.status) == ("", 0)
    assert {model: done.said(f"plain {model}: ") for model in kinds} == {model: [kinds[model]] for model in kinds}
    assert {model: done.said(f"stream {model}: ") for model in kinds} == {model: [kinds[model]] for model in kinds}


def test_a_stream_that_breaks_is_an_exception_and_never_a_short_answer(run, program):
    done = run(program, UNIGATE_MODELS=" ".join(BROKEN))

    assert (done.err, done.status) == ("", 0)
    assert {model: done.said(f"stream {model}: ") for model in BROKEN} == {model: ["APIError"] for model in BROKEN}
