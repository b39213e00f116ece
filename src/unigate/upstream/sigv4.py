"""Signs requests as AWS demands it: Signature Version 4, in headers.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from unigate.clock import Wall
from unigate.secret import Secret
from unigate.target import Signing
from unigate.upstream.signed import Request

__all__ = ["SigV4", "canonical", "signing_key"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "bedrock"
_quoted = lru_cache(maxsize=1024)(quote)  # of the few paths that are asked for, letter by letter


class SigV4:
    """Signs requests with an access key; a session token travels beside it."""

    def __init__(self, signing: Signing, key: Secret, wall: Wall, service: str = _SERVICE) -> None:
        self._signing = signing
        self._key = key
        self._wall = wall
        self._service = service
        self._day = ""
        self._day_key = b""

    async def sign(self, request: Request) -> bytes:
        """The header lines of the signature and of what it was made with."""
        return self.lines(request)

    def refused(self) -> None:
        """Nothing is kept that could be wrong the next time."""

    def close(self) -> None:
        """Nothing goes on in the background."""

    def lines(self, request: Request) -> bytes:
        """The header lines for this moment."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._wall() // 1_000_000_000))
        token = self._signing.session_token
        added = {"x-amz-date": stamp} | ({"x-amz-security-token": token.reveal()} if token else {})
        typed = {"content-type": request.content_type} if request.content_type else {}
        headers = typed | {"host": request.host} | added
        scope = f"{stamp[:8]}/{self._signing.region}/{self._service}/aws4_request"
        digest = hashlib.sha256(canonical(request, headers).encode()).hexdigest()
        signature = hmac.new(
            self._key_of(stamp[:8]), f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), hashlib.sha256
        ).hexdigest()
        names = ";".join(headers)
        credential = f"Credential={self._signing.access_key_id}/{scope}"
        added["authorization"] = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
        return "".join(f"{name}: {value}\r\n" for name, value in added.items()).encode("latin-1")

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            self._day_key = signing_key(self._key, day, self._signing.region, self._service)
            self._day = day
        return self._day_key


def signing_key(secret: Secret, day: str, region: str, service: str) -> bytes:
    """The key that signs one service's requests of one day in one region."""
    key = f"AWS4{secret.reveal()}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key


def canonical(request: Request, headers: Mapping[str, str]) -> str:
    """The request in the one form that both sides hash; `headers` in the order of their names.

    The path is encoded once more than it is sent: `:` travels as `%3A` and is signed as `%253A`.
    """
    path, _, query = request.target.partition("?")
    lines = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in headers.items())
    arguments = sorted(one if "=" in one else f"{one}=" for one in query.split("&") if one)
    digest = hashlib.sha256(request.content).hexdigest()
    return "\n".join([request.method, _quoted(path), "&".join(arguments), lines, ";".join(headers), digest])
