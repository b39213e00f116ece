"""A call's own clock: which part of its time is ours, and which was waiting for an upstream."""

from __future__ import annotations

import pytest

from unigate.call import Call, Caller

MS = 1_000_000


@pytest.mark.parametrize(("took_ms", "overhead_us"), [(0, 50_000), (30, 20_000)])
def test_what_an_earlier_attempt_took_is_waiting_and_one_that_was_never_sent_took_nothing(
    took_ms: int, overhead_us: int
) -> None:
    call = Call("req_1", "openai.chat", Caller("k", "n", "client", None), {}, peer="", started_ns=1)
    call.received = 1000 * MS
    call.ask_again(took_ms * MS)
    call.asked = 1050 * MS
    call.answer(1300 * MS)
    assert call.overhead_us == overhead_us
