"""The way to every upstream: one pool for each origin, one prepared request head for each endpoint and operation."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from unigate.clock import Wall, wall
from unigate.errors import Fault, Kind
from unigate.target import Endpoint, Provider, Target, Timeouts
from unigate.upstream.auth import AUTH, SIGNERS
from unigate.upstream.connection import Connection
from unigate.upstream.pool import Origin, Pool, Proxy
from unigate.upstream.signed import Exchange, Request, Signed, Signer

__all__ = ["Answer", "Upstream"]

_MOST_PREPARED: Final = 1000
# The only client headers that go on; everything else is ours or the operator's.
_FORWARDED: Final = (b"openai-beta", b"anthropic-beta", b"anthropic-version")
_ANY_FORWARDED: Final = frozenset(_FORWARDED)


class Answer:
    """An exchange with an upstream: entered, it has sent the request and knows status and headers."""

    __slots__ = ("_connection", "_content", "_fresh", "_head", "_pool", "_timeouts")

    def __init__(  # one exchange's parts
        self, pool: Pool, head: bytes, content: bytes, timeouts: Timeouts, *, fresh: bool
    ) -> None:
        self._pool = pool
        self._head = head
        self._content = content
        self._timeouts = timeouts
        self._fresh = fresh
        self._connection: Connection | None = None

    @property
    def was_sent(self) -> bool:
        """Whether any byte of the request can have reached the upstream."""
        return self._connection is not None

    async def __aenter__(self) -> Connection:
        connection = None if self._fresh else self._pool.take()
        if connection is None:
            connection = await self._pool.acquire(self._timeouts.connect, fresh=self._fresh)
        self._connection = connection
        try:
            await connection.send(self._head, self._content, self._timeouts)
        except BaseException:
            self._pool.give_back(connection)
            raise
        self._content = b""
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._connection is not None
        self._pool.give_back(self._connection)


class _Special(NamedTuple):
    """What few requests need: headers that a client may set itself, and what signs, with what it covers."""

    usual: Mapping[bytes, bytes]
    signer: Signer | None
    cover: Request


class _Prepared(NamedTuple):
    """What the requests of one model, operation and provider share."""

    provider: Provider
    pool: Pool
    head: bytes
    special: _Special | None


class Upstream:
    """Sends requests to targets; owns all connections to the outside."""

    def __init__(self, tls: ssl.SSLContext | None = None, wall: Wall = wall) -> None:
        self._tls = tls
        self._wall = wall
        self._proxies: dict[str, str] = getproxies_environment()
        self._pools: dict[tuple[str, str], Pool] = {}
        self._prepared_heads: dict[tuple[int, str, str, str], _Prepared] = {}
        self._signers: dict[tuple[int, str], tuple[Provider, Signer]] = {}

    def send(  # what one attempt is made of
        self,
        target: Target,
        dialect: str,
        operation: str,
        headers: Mapping[bytes, bytes],
        content: bytes,
        *,
        content_type: bytes = b"application/json",
        fresh: bool = False,
    ) -> Exchange:
        """The exchange that carries `content` to the target. Raises Fault if it does not speak the dialect.

        `operation` is a path below the address, may hold `{model}`, and may end in a query of its own.
        """
        provider = target.provider
        _, pool, prepared, special = self._prepared(provider, dialect, operation, target.model)
        if special is not None:
            headers = {**special.usual, **headers}
        forwarded = b""
        if not _ANY_FORWARDED.isdisjoint(headers):
            forwarded = b"".join(b"%b: %b\r\n" % (name, headers[name]) for name in _FORWARDED if name in headers)
        head = b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (prepared, forwarded, content_type, len(content))
        if special is None or special.signer is None:
            return Answer(pool, head, content, provider.timeouts, fresh=fresh)
        cover = special.cover
        request = Request(cover.method, cover.target, cover.host, content_type.decode("latin-1"), content)
        return Signed(special.signer, request, partial(_begin, pool, head, content, provider.timeouts, fresh))

    def get(self, provider: Provider, dialect: str, path: str) -> Exchange:
        """The exchange that reads a page of the provider's API, such as its list of models."""
        endpoint = _endpoint(provider, dialect)
        _, pool, prepared, special = self._prepare(provider, endpoint, "GET", _target(endpoint, path, ""))
        lines = b"".join(b"%b: %b\r\n" % one for one in special.usual.items()) if special is not None else b""
        start = partial(_begin, pool, b"%b%b\r\n" % (prepared, lines), b"", provider.timeouts, False)
        if special is None or special.signer is None:
            return start(b"")
        return Signed(special.signer, special.cover, start)

    def close(self) -> None:
        """Closes idle connections; running exchanges are closed by whoever holds them."""
        for _, signer in self._signers.values():
            signer.close()
        for pool in self._pools.values():
            pool.close()

    def _prepared(self, provider: Provider, dialect: str, operation: str, model: str) -> _Prepared:
        # Keyed by identity: a changed provider is a new object. The entry holds it, so the identity stays taken.
        key = (id(provider), dialect, operation, model)
        found = self._prepared_heads.get(key)
        if found is None:
            endpoint = _endpoint(provider, dialect)
            found = self._prepare(provider, endpoint, "POST", _target(endpoint, operation, model))
            if len(self._prepared_heads) >= _MOST_PREPARED:
                self._prepared_heads.clear()
            self._prepared_heads[key] = found
        return found

    def _prepare(self, provider: Provider, endpoint: Endpoint, method: str, target: str) -> _Prepared:
        cover = Request(method, target, urlsplit(endpoint.base_url).netloc.rpartition("@")[2], "", b"")
        fixed = {name.lower(): value for name, value in endpoint.headers.items()}
        # What a client may say itself is added later, so that it is said once.
        usual = {name: fixed.pop(name.decode()).encode("latin-1") for name in _FORWARDED if name.decode() in fixed}
        signer = self._signer(provider, endpoint.auth) if endpoint.auth in SIGNERS else None
        credential = AUTH[endpoint.auth](provider.key) if signer is None else None
        special = _Special(usual, signer, cover) if usual or signer is not None else None
        return _Prepared(provider, self._pool(provider, endpoint), _head(cover, fixed, credential), special)

    def _signer(self, provider: Provider, auth: str) -> Signer:
        key = (id(provider), auth)
        if key not in self._signers:
            self._signers[key] = (provider, SIGNERS[auth](provider, self, self._wall))
        return self._signers[key][1]

    def _pool(self, provider: Provider, endpoint: Endpoint) -> Pool:
        parts = urlsplit(endpoint.base_url)
        secure = parts.scheme == "https"
        host = parts.hostname or ""
        port = parts.port or (443 if secure else 80)
        name = (provider.name, f"{parts.scheme}://{host}:{port}")
        pool = self._pools.get(name)
        if pool is None:
            origin = Origin(host, port, self._context() if secure else None)
            proxy = None if provider.patient else self._proxy(parts.scheme, host)
            pool = Pool(origin, provider.max_connections, proxy=proxy, patient=provider.patient)
            self._pools[name] = pool
        return pool

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    def _proxy(self, scheme: str, host: str) -> Proxy | None:
        address = self._proxies.get(scheme)
        if not address or proxy_bypass(host):
            return None
        parts = urlsplit(address if "//" in address else f"http://{address}")
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        authorization = "Basic " + base64.b64encode(user.encode()).decode() if user else ""
        return Proxy(parts.hostname or "", parts.port or 8080, authorization)


def _endpoint(provider: Provider, dialect: str) -> Endpoint:
    endpoint = provider.endpoint(dialect)
    if endpoint is None:
        raise Fault(Kind.UNREACHABLE, f"Provider '{provider.name}' does not offer {dialect}.")
    return endpoint


def _begin(pool: Pool, head: bytes, content: bytes, timeouts: Timeouts, fresh: bool, lines: bytes) -> Answer:
    """The exchange of a request whose head is complete but for these lines."""
    return Answer(pool, b"%b%b\r\n" % (head[:-2], lines), content, timeouts, fresh=fresh)


def _target(endpoint: Endpoint, operation: str, model: str) -> str:
    """The path and query of a request."""
    if model in (".", ".."):
        raise Fault(Kind.REJECTED, "A model's name cannot be made of dots alone.")
    path, _, query = operation.partition("?")
    path = endpoint.path.replace("{operation}", path).replace("{model}", quote(model, safe=""))
    queries = "&".join(one for one in (endpoint.query, query) if one)
    return urlsplit(endpoint.base_url).path.rstrip("/") + path + (f"?{queries}" if queries else "")


def _head(request: Request, fixed: Mapping[str, str], credential: tuple[str, str] | None) -> bytes:
    headers = {
        "host": request.host,
        "user-agent": "unigate",
        "accept": "*/*",
        "accept-encoding": "identity",
        **fixed,
    }
    if credential is not None:
        headers[credential[0]] = credential[1]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {request.target} HTTP/1.1\r\n{lines}".encode("latin-1")
