"""The door-keeper of the scripted upstream: finds a request's credential and says whether it is good."""

from __future__ import annotations

from unigate.mock import google_token, sigv4
from unigate.mock.ask import Fail, Request
from unigate.mock.dialect import Route
from unigate.mock.settings import Settings

__all__ = ["Guard", "credential"]

KEY_HEADERS = frozenset((b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"))

NO_TOKEN = Fail(
    401,
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    "UNAUTHENTICATED",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED",
)


def credential(request: Request) -> str:
    """The credential the request shows, wherever a provider would look for it; of a signature, the key's name."""
    for name, value in request.headers:
        if len(name) <= 14 and name.lower() in KEY_HEADERS:
            told = value.decode("latin-1")
            if told.startswith(sigv4.SCHEME):
                return sigv4.key_id(told)
            return told[7:] if told[:7].lower() == "bearer " else told
    return request.query.get("key", "")


class Guard:
    """Judges credentials by what the scripted upstream was started with."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.key
        self._google = settings.google_token
        self._aws = sigv4.Pair(settings.aws_access_key, settings.aws_secret_key) if settings.aws_secret_key else None

    def trusts(self, request: Request, shown: str) -> bool:
        """Whether this request may be answered."""
        if self._aws is not None and "/model/" in request.path:
            if sigv4.signed(request):
                return sigv4.objection(request, self._aws) is None
            return bool(self._key) and shown == self._key
        if request.path == google_token.PATH:
            return True
        if self._google and "/projects/" in request.path:
            return shown == self._google
        return not self._key or shown == self._key

    def refusal(self, request: Request, shown: str, route: Route | None) -> Fail:
        """Why this request is not answered, as its provider says it."""
        if self._aws is not None and "/model/" in request.path and (sigv4.signed(request) or not shown):
            return sigv4.objection(request, self._aws) or sigv4.MISMATCH
        if "/projects/" in request.path:
            return NO_TOKEN
        masked = f"{shown[:3]}***" if shown else "(none)"
        return route.stranger(masked) if route is not None else Fail(401, f"Incorrect API key provided: {masked}.")
