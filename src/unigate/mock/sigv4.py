"""Checks AWS's Signature Version 4, written from AWS's description alone and sharing nothing with who signs.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from unigate.mock.ask import Fail, Request

__all__ = ["MISMATCH", "SCHEME", "Pair", "claim_of", "key_id", "matches", "objection", "signed"]

SCHEME = "AWS4-HMAC-SHA256"
SERVICE = "bedrock"
SKEW_S = 300
FIELDS = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
INVALID = "InvalidSignatureException"
MISSING = Fail(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
UNKNOWN = Fail(403, "The security token included in the request is invalid.", "UnrecognizedClientException")
MISMATCH = Fail(
    403,
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details.",
    INVALID,
)


class Pair(NamedTuple):
    """An access key's name and its secret."""

    access: str
    secret: str


class Claim(NamedTuple):
    """What a signed request claims about itself."""

    access: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


def signed(request: Request) -> bool:
    """Whether the request carries a signature of this kind, good or bad."""
    return request.header(b"authorization").startswith(SCHEME)


def key_id(authorization: str) -> str:
    """The name of the access key in an Authorization header."""
    claim = claim_of(authorization)
    return claim.access if claim else ""


def claim_of(authorization: str) -> Claim | None:
    """The claim in an Authorization header, if it is complete."""
    told = dict(FIELDS.findall(authorization))
    scope = told.get("Credential", "").split("/")
    if len(scope) != 5 or scope[4] != "aws4_request" or len(told) != 3:
        return None
    names = tuple(told["SignedHeaders"].split(";"))
    return Claim(scope[0], scope[1], scope[2], scope[3], names, told["Signature"])


def objection(request: Request, pair: Pair) -> Fail | None:
    """What AWS would say against this signature; nothing if it is right."""
    authorization = request.header(b"authorization")
    if not authorization:
        return MISSING
    claim = claim_of(authorization)
    if claim is None:
        wrong = f"Authorization header requires 'Credential', 'Signature' and 'SignedHeaders': {authorization[:40]}"
        return Fail(403, wrong, "IncompleteSignatureException")
    if claim.access != pair.access:
        return UNKNOWN
    return _scope(request, claim) or (None if matches(request, claim, pair.secret) else MISMATCH)


def _scope(request: Request, claim: Claim) -> Fail | None:
    told = request.header(b"x-amz-date")
    if claim.service != SERVICE:
        return Fail(403, f"Credential should be scoped to correct service: '{SERVICE}'.", INVALID)
    try:
        at = calendar.timegm(time.strptime(told, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return Fail(403, "Date must be in ISO-8601 'basic format'.", "IncompleteSignatureException")
    if abs(time.time() - at) > SKEW_S or told[:8] != claim.date:
        return Fail(403, f"Signature expired: {told} is not within 5 min. of now.", INVALID)
    unsigned = next((name for name in _must_sign(request) if name not in claim.headers), None)
    return Fail(403, f"'{unsigned}' must be a 'SignedHeader' in the AWS Authorization.", INVALID) if unsigned else None


def _must_sign(request: Request) -> list[str]:
    names = {name.decode("latin-1").lower() for name, _ in request.headers}
    return ["host", *sorted(name for name in names if name.startswith("x-amz-"))]


def matches(request: Request, claim: Claim, secret: str) -> bool:
    """Whether this secret signs this request so."""
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    digest = hashlib.sha256(_canonical(request, claim.headers).encode()).hexdigest()
    text = f"{SCHEME}\n{request.header(b'x-amz-date')}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for word in (claim.date, claim.region, claim.service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), claim.signature)


def _canonical(request: Request, names: tuple[str, ...]) -> str:
    path, _, query = request.target.partition("?")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True))
    headers = "".join(f"{name}:{_value(request, name)}\n" for name in names)
    return "\n".join(
        (
            request.method,
            # The path as it came over the wire is encoded once more: S3 alone is spared that.
            quote(path, safe="/-_.~"),
            "&".join(f"{k}={v}" for k, v in pairs),
            headers,
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _value(request: Request, name: str) -> str:
    told = [v.decode("latin-1") for k, v in request.headers if k.decode("latin-1").lower() == name]
    return ",".join(" ".join(value.split()) for value in told)
