"""Trades a Google credentials file for access tokens, and keeps one ready.

A service account signs a JWT for a token (RFC 7523, https://developers.google.com/identity/protocols/oauth2/service-account);
a user's file holds a refresh token (RFC 6749, section 6).
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from unigate.clock import Wall
from unigate.errors import Fault, Kind
from unigate.secret import Secret
from unigate.target import Endpoint, Provider, Target
from unigate.upstream.signed import Request, Sender

__all__ = ["GoogleTokens"]

_TOKEN_ADDRESS = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LIFETIME = 3600
_WITHIN = 10.0
_STALE_BEFORE = 300.0
_DEAD_BEFORE = 30.0
_REST = 1.0
_YOUNG = 60.0
_LARGEST = 64 * 1024
_GRANT = "oauth.token"


class _ServiceAccount(msgspec.Struct, frozen=True, tag_field="type", tag="service_account"):
    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = _TOKEN_ADDRESS
    quota_project_id: str = ""


class _User(msgspec.Struct, frozen=True, tag_field="type", tag="authorized_user"):
    client_id: str
    client_secret: str
    refresh_token: str
    token_uri: str = _TOKEN_ADDRESS
    quota_project_id: str = ""


class _Issued(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int = _LIFETIME


class _Grant(NamedTuple):
    """What is sent for a token, and where; `project` is billed for a user's calls."""

    address: str
    content: bytes
    project: str


class _Token(NamedTuple):
    """A token's header lines, and when on the loop's clock it was issued, should be renewed and is over."""

    lines: bytes
    issued_at: float
    stale_at: float
    dead_at: float


class GoogleTokens:
    """Signs with an access token, renewed a few minutes before its end while calls go on with the old one."""

    def __init__(self, file: Path, sender: Sender, wall: Wall) -> None:
        self._file = file
        self._sender = sender
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._token: _Token | None = None
        self._renewal: asyncio.Task[_Token] | None = None
        self._failure: tuple[Kind, str] | None = None
        self._rests_until = 0.0

    async def sign(self, request: Request) -> bytes:
        """The header lines of a token that is good. Raises Fault if none can be had within ten seconds."""
        token, now = self._token, self._loop.time()
        if token is None or now >= token.dead_at:
            return (await self._fresh(now)).lines
        if now >= token.stale_at and now >= self._rests_until:
            self._renew()
        return token.lines

    def refused(self) -> None:
        """Forgets the token, unless it is so young that a new one would be refused as well."""
        if self._token is not None and self._loop.time() - self._token.issued_at > _YOUNG:
            self._token = None

    def close(self) -> None:
        """Ends a renewal under way."""
        if self._renewal is not None:
            self._renewal.cancel()

    async def _fresh(self, now: float) -> _Token:
        if self._failure is not None and now < self._rests_until:
            raise Fault(*self._failure)
        try:
            async with asyncio.timeout(_WITHIN):
                # Shielded: a client that leaves must not end what others wait for.
                return await asyncio.shield(self._renew())
        except TimeoutError as error:
            raise Fault(Kind.CONNECT_TIMEOUT, "No access token came from the token service in time.") from error

    def _renew(self) -> asyncio.Task[_Token]:
        """The one renewal under way, begun if there is none."""
        if self._renewal is None:
            self._renewal = self._loop.create_task(self._trade())
            self._renewal.add_done_callback(self._renewed)
        return self._renewal

    def _renewed(self, renewal: asyncio.Task[_Token]) -> None:
        self._renewal = None
        if renewal.cancelled():
            return
        error = renewal.exception()
        self._failure = (error.kind, str(error)) if isinstance(error, Fault) else None
        if error is None:
            self._token = renewal.result()
        else:
            self._rests_until = self._loop.time() + _REST

    async def _trade(self) -> _Token:
        """A new token. Raises Fault."""
        async with asyncio.timeout(_WITHIN):
            # In a thread: a file may be slow to read, and a private key takes long to check.
            grant = await asyncio.to_thread(_read_grant, self._file, self._wall() // 1_000_000_000)
            asked_at = self._loop.time()
            issued = await self._ask(grant)
        lines = f"authorization: Bearer {issued.access_token}\r\n"
        if grant.project:
            lines += f"x-goog-user-project: {grant.project}\r\n"
        lasts = float(max(issued.expires_in, 0))
        stale = max(lasts - _STALE_BEFORE, lasts / 2)
        return _Token(lines.encode("latin-1"), asked_at, asked_at + stale, asked_at + max(lasts - _DEAD_BEFORE, stale))

    async def _ask(self, grant: _Grant) -> _Issued:
        endpoint = Endpoint(base_url=grant.address, speaks=(_GRANT,), auth="none", path="")
        service = Provider(name="token service", endpoints=(endpoint,), key=Secret(""), max_connections=2)
        form = b"application/x-www-form-urlencoded"
        try:
            sending = self._sender.send(Target(service, ""), _GRANT, "", {}, grant.content, content_type=form)
            async with sending as answer:
                status, content = answer.status, await answer.read_all(_LARGEST)
        except Fault as fault:
            # Whatever happened there, the call itself has not been sent.
            raise Fault(Kind.UNREACHABLE, "The token service could not be reached.") from fault
        if status in (400, 401, 403):
            raise Fault(Kind.ACCOUNT, "The token service refused the provider's credentials file.")
        try:
            if status != 200:
                raise Fault(Kind.UNREACHABLE, f"The token service answered with HTTP {status}.")
            issued = msgspec.json.decode(content, type=_Issued)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Fault(Kind.UNREACHABLE, "The token service's answer holds no access token.") from error
        if not issued.access_token.isascii() or not issued.access_token.isprintable():
            raise Fault(Kind.UNREACHABLE, "The token service's answer holds no access token.")
        return issued


def _read_grant(file: Path, now: int) -> _Grant:
    """What the file can be traded with. Raises Fault if it cannot be used."""
    try:
        content = file.read_bytes()
        account = msgspec.json.decode(content, type=_ServiceAccount | _User)
        if not _is_safe(account.token_uri):
            raise Fault(Kind.ACCOUNT, "The credentials file names a token service that is not reached by https.")
        form = _assertion(account, now) if isinstance(account, _ServiceAccount) else _refresh(account)
    except OSError as error:
        raise Fault(Kind.ACCOUNT, "The provider's credentials file cannot be read.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault(Kind.ACCOUNT, "The credentials file is neither a service account's nor a user's.") from error
    except ValueError as error:
        raise Fault(Kind.ACCOUNT, "The private key in the credentials file cannot be used.") from error
    return _Grant(account.token_uri, urlencode(form).encode(), account.quota_project_id)


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _assertion(account: _ServiceAccount, now: int) -> dict[str, str]:
    head = {"alg": "RS256", "typ": "JWT", "kid": account.private_key_id}
    claims = {
        "iss": account.client_email,
        "scope": _SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + _LIFETIME,
    }
    signed = f"{_encoded(msgspec.json.encode(head))}.{_encoded(msgspec.json.encode(claims))}"
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": f"{signed}.{_encoded(_rs256(account.private_key, signed.encode()))}",
    }


def _rs256(private_key: str, content: bytes) -> bytes:
    """The signature of RFC 7518, section 3.3. Raises ValueError for a key that cannot make it."""
    # Loaded here, in the thread that signs: it takes a tenth of a second and 11 MB, and most doors never need it.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("the key is encrypted, or of an unknown kind") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key.sign(content, PKCS1v15(), SHA256())


def _refresh(account: _User) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "refresh_token": account.refresh_token,
    }


def _encoded(part: bytes) -> str:
    """Base64 for addresses, without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
