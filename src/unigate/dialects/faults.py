"""What the errors of all upstreams have in common, whatever their format."""

from __future__ import annotations

import re
from collections.abc import Mapping

from unigate.errors import Kind

__all__ = ["ACCOUNT", "BROKEN", "KEPT", "LONGEST_WORD", "moment", "scrub"]

KEPT = frozenset({400, 404, 413, 422})
"""What the client did wrong, and is told with the upstream's own status."""

ACCOUNT = frozenset({401, 402, 403})
"""What is between the gateway and the provider, and no business of the client's."""

BROKEN: Mapping[int, Kind] = {
    502: Kind.BAD_GATEWAY,
    503: Kind.OVERLOADED,
    529: Kind.OVERLOADED,
    504: Kind.SLOW,
    524: Kind.SLOW,
}
"""An upstream that says so did not run the call itself, so that another target may be asked."""

LONGEST_WORD = 200
"""Codes and parameters are written down with the call."""

_LONGEST_MESSAGE = 2000
# Keys of services whole, or masked as they tell them (`sk-12***89`), and tokens of Google and AWS.
_RUN = r"[-_A-Za-z0-9*.…]"
_SECRET = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:sk|rk|pk|pplx|xai|nvapi)[-_]{_RUN}{{8,}}|(?:gsk|hf|r8|gh[opsu])_{_RUN}{{8,}}|AIza{_RUN}{{8,}}"
    rf"|ya29\.{_RUN}{{8,}}|(?:AKIA|ASIA)[A-Z0-9*…]{{12,}}|eyJ{_RUN}{{16,}}"
    # Words do as well as secrets behind these; a secret has a digit, or is masked.
    rf"|(?i:key)[-_](?={_RUN}*[0-9*…]){_RUN}{{8,}}|(?i:bearer)\s+(?=\S*[0-9*…])\S{{6,}})"
)
# Seconds, or a date (RFC 9110, section 10.2.3).
_MOMENT = re.compile(rb"[0-9]{1,10}(\.[0-9]{1,6})?|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")


def moment(value: bytes) -> str | None:
    """What `retry-after` says, if it says a time; anything else an upstream may write there goes no further."""
    return value.decode("ascii") if _MOMENT.fullmatch(value) else None


def scrub(message: str | None) -> str:
    """An upstream may repeat the credential it was sent; nothing that looks like one goes on to the client."""
    return _SECRET.sub("[redacted]", (message or "")[: 2 * _LONGEST_MESSAGE])[:_LONGEST_MESSAGE]
