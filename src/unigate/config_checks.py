"""What must hold of a configured value beyond its type; each check answers with what is wrong, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

__all__ = [
    "address_fault",
    "credential_fault",
    "credentials_file_fault",
    "database_fault",
    "fact_fault",
    "header_fault",
    "is_name",
    "key_fault",
    "loops",
    "origin_fault",
    "valkey_fault",
]


class _CredentialsFile(msgspec.Struct, frozen=True):
    type: str


_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FACT = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_CREDENTIAL_HEADERS = frozenset(
    ["authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "x-goog-api-key"]
)
_FRAMING_HEADERS = frozenset(
    [
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_USUAL_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_SHORTEST_KEY = 16
_KEY_PREFIX = re.compile(r"sk-(ug-)?(admin-)?(proj-)?", re.IGNORECASE)
_PLACEHOLDER_WORDS = re.compile(
    r"change[-_ ]?(me|this)|replace[-_ ]?(me|this)|your[-_ ]?(own[-_ ]?)?(api|secret|key|token)|placeholder|"
    r"example[-_ ]?(key|api)|(api|secret)[-_ ]?key[-_ ]?here|password|xxxxxx|\.\.\.\.|insert[-_ ]?(your|key)",
    re.IGNORECASE,
)
_RUNS = "01234567890 9876543210 abcdefghijklmnopqrstuvwxyz qwertyuiop asdfghjkl zxcvbnm 9a 0a"


def is_name(text: str) -> bool:
    """Whether a provider can be called so: it becomes the first segment of `provider/model`."""
    return _NAME.fullmatch(text) is not None


def fact_fault(value: str) -> str | None:
    """What keeps a text from being a part of an address, such as a region or an account."""
    return None if _FACT.fullmatch(value) else "may hold only letters, digits, '.', '_' and '-'"


def credentials_file_fault(path: str) -> str | None:
    """What keeps a file from being credentials that can be traded for Google's access tokens."""
    try:
        content = Path(path).read_bytes()
        kind = msgspec.json.decode(content, type=_CredentialsFile).type
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "the file is not a JSON object with a 'type'"
    known = ("service_account", "authorized_user")
    return None if kind in known else "the file is neither a service account's nor a user's ('authorized_user')"


def address_fault(url: str, *, bare: bool = False) -> str | None:
    """What keeps a text from being a service's address; `bare` allows no path."""
    if not _PRINTABLE.fullmatch(url):
        return "must be an address without spaces or control characters"
    try:
        parts = urlsplit(url)
        is_port_wrong = parts.port == 0
    except ValueError:
        return "is not a valid address; write https://host or http://host:port"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must begin with http:// or https:// and name a host"
    if is_port_wrong:
        return "must not name port 0"
    if parts.username is not None or parts.password is not None:
        return "must not hold credentials; give them as api_key"
    if "?" in url or "#" in url:
        return "must have no '?' or '#'"
    return "must end after the host and port" if bare and parts.path not in ("", "/") else None


def database_fault(url: str) -> str | None:
    """What keeps a text from naming a database; never says any of it, for it may hold a password."""
    scheme, mark, rest = url.partition("://")
    if not _PRINTABLE.fullmatch(url) or not mark or scheme not in ("sqlite", "postgresql", "postgres"):
        return "must be sqlite:///path or postgresql://user:password@host/name"
    if scheme == "sqlite":
        return None if len(rest) > 1 and rest[0] == "/" else "must name a file after its three slashes"
    authority, slash, name = rest.partition("?")[0].partition("/")
    if not all(_HOST_AND_PORT.fullmatch(one) for one in authority.rpartition("@")[2].split(",")):
        usual = "postgresql://user:password@host:5432/name"
        return f"must name a host, as in {usual}; write '@', '/' in a password as %40, %2F"
    return None if slash and name else "must end with the database's name, as in postgresql://user:password@host/name"


def valkey_fault(url: str) -> str | None:
    """What keeps a text from naming a Valkey or Redis server; never says any of it, for it may hold a password."""
    scheme, mark, rest = url.partition("://")
    if not _PRINTABLE.fullmatch(url) or not mark or scheme not in ("redis", "rediss", "valkey", "valkeys"):
        return "must be redis://user:password@host:6379/0"
    authority, _, number = rest.partition("?")[0].partition("/")
    if not _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2]):
        return "must name a host, as in redis://user:password@host:6379/0; write '@', '/' in a password as %40, %2F"
    return None if not number or number.isdigit() else "must end with the database's number, as in redis://host:6379/0"


def origin_fault(origin: str) -> str | None:
    """What keeps a text from being a page's origin as browsers send it."""
    if origin == "*":
        return None
    if fault := address_fault(origin, bare=True):
        return fault
    return "must have no '/' at its end" if origin.endswith("/") else None


def header_fault(name: str, value: str) -> str | None:
    """What keeps a fixed header from being sent."""
    if not _HEADER_NAME.fullmatch(name):
        return "is not a header's name"
    if name.lower() in _CREDENTIAL_HEADERS:
        return "carries a credential; give it as api_key, which is kept out of every log"
    if name.lower() in _FRAMING_HEADERS:
        return "is set by the gateway itself; remove it"
    is_sendable = all(" " <= one <= "~" or one == "\t" for one in value)
    return None if is_sendable else "must be printable ASCII, without a line break"


def credential_fault(key: str) -> str | None:
    """What keeps a key from travelling in a header."""
    if not key:
        return "is empty"
    if not _PRINTABLE.fullmatch(key):
        return "has a space, a line break or a character beyond ASCII; a header cannot carry it"
    return None


def key_fault(key: str) -> str | None:
    """Why a client's key is not safe to accept."""
    if fault := credential_fault(key):
        return fault
    if len(key) < _SHORTEST_KEY:
        return f"is shorter than {_SHORTEST_KEY} characters; make one with 'openssl rand -hex 32'"
    if _PLACEHOLDER_WORDS.search(key):
        return "is a placeholder that anyone would try; make one with 'openssl rand -hex 32'"
    core = re.sub(r"[^a-z0-9]", "", _KEY_PREFIX.sub("", key, count=1).lower())
    if len(set(core)) < 5 or _is_run(core):
        return "is easy to guess; make one with 'openssl rand -hex 32'"
    return None


def _is_run(core: str) -> bool:
    steps = [core[index : index + 2] in _RUNS for index in range(len(core) - 1)]
    return sum(steps) >= 0.7 * len(steps)


def loops(base_url: str, host: str, port: int) -> bool:
    """Whether an address is the gateway's own."""
    parts = urlsplit(base_url)
    theirs = parts.hostname or ""
    is_same_port = port != 0 and (parts.port or _USUAL_PORTS.get(parts.scheme)) == port
    return is_same_port and (theirs == host.lower() or (_is_here(theirs) and _is_here(host)))


def _is_here(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return address.is_loopback or address.is_unspecified
