"""Google's token endpoint: a service account's signed claim for an access token.

Source: https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

from __future__ import annotations

import base64
import binascii
import time
from urllib.parse import parse_qs

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Fail, Heard, Refused, Reply, Request, Scene

__all__ = ["PATH", "error", "exchange"]

PATH = "/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LONGEST_S = 3_600
SKEW_S = 300
SIGNATURE_BYTES = 256


class Head(msgspec.Struct):
    """The head of a signed claim."""

    alg: str
    typ: str = "JWT"


class Claim(msgspec.Struct):
    """What the service account claims."""

    iss: str
    scope: str
    aud: str
    iat: int
    exp: int


def exchange(request: Request) -> Heard:
    """Answers a claim with an access token; of its signature only the length is looked at."""
    form = parse_qs(request.body.decode("latin-1"))
    grant, assertion = form.get("grant_type", [""])[0], form.get("assertion", [""])[0]
    if grant != GRANT:
        raise Refused(Fail(400, f"Invalid grant_type: {grant}", "unsupported_grant_type"))
    wrong = _wrong(assertion)
    if wrong:
        raise Refused(Fail(400, f"Invalid JWT: {wrong}", "invalid_grant"))
    return Heard("", False, _exchange, named=False)


def _exchange(scene: Scene) -> Reply:
    token = scene.google_token or f"ya29.{scene.tag}"
    return Reply(encode({"access_token": token, "expires_in": LONGEST_S - 1, "token_type": "Bearer"}))


def _wrong(assertion: str) -> str | None:
    """What is wrong with this claim."""
    try:
        head, claim, signature = map(_part, assertion.split("."))
        alg = msgspec.json.decode(head, type=Head).alg
        told = msgspec.json.decode(claim, type=Claim)
    except (ValueError, msgspec.DecodeError) as error:
        return f"Token must be a short-lived token and in a reasonable format: {error}"
    now = time.time()
    checks = {
        "the algorithm is not RS256": alg != "RS256",
        "the signature is not one of RSA": len(signature) < SIGNATURE_BYTES,
        "the issuer is no service account": "@" not in told.iss,
        "the scope lacks the cloud platform": SCOPE not in told.scope.split(),
        "the audience is not this endpoint": not told.aud.endswith(PATH),
        "iat and exp are not in a reasonable timeframe": not 0 < told.exp - told.iat <= LONGEST_S,
        "the claim is expired or of the future": not told.iat - SKEW_S <= now < told.exp,
    }
    return next((name for name, failed in checks.items() if failed), None)


def _part(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64url: {error}") from error


def error(fail: Fail) -> bytes:
    """The error in the shape of OAuth (RFC 6749, section 5.2)."""
    return encode({"error": fail.type or "invalid_request", "error_description": fail.message})
