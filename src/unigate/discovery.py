"""Finds providers where no file names any: by keys in the environment and `.env`, and by servers on this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from dotenv import dotenv_values

from unigate.config import ProviderSettings
from unigate.config_checks import address_fault, credential_fault, fact_fault
from unigate.errors import ConfigError, Problem
from unigate.routing.table import CREDENTIALS, SCHEMES, Probe, Row, Table, schemes_of
from unigate.secret import Secret

__all__ = ["find_providers", "probe_local", "read_dotenv"]

_LARGEST_ANSWER = 1024 * 1024
_OUR_PREFIX = "sk-ug-"
_EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]", ""})


def read_dotenv(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what a `.env` file adds to it. Raises ConfigError if the file cannot be read."""
    if not path.is_file():
        return dict(environment)
    try:
        given = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(Problem(str(path), 0, "the file cannot be read as UTF-8 text")) from error
    return {name: value for name, value in given.items() if value is not None} | dict(environment)


def find_providers(environment: Mapping[str, str], table: Table) -> dict[str, ProviderSettings]:
    """A provider for each row whose variables are set. Raises ConfigError for a variable that cannot be used."""
    problems: list[Problem] = []
    found: dict[str, ProviderSettings] = {}
    for name, row in table.items():
        if row.discover and (settings := _found(row, environment, problems)) is not None:
            found[name] = settings
    if problems:
        raise ConfigError(*problems)
    return found


def _found(row: Row, environment: Mapping[str, str], problems: list[Problem]) -> ProviderSettings | None:
    variable, key = _first(row.key_variables, environment)
    facts = {fact: _first(variables, environment) for fact, variables in row.variables.items()}
    given = {fact: value for fact, (_, value) in facts.items() if value and not (key and fact in CREDENTIALS)}
    is_named = bool(given) if row.local else bool(key) or _is_enough(given, row)
    # A shell made ready for our own clients holds our key under the usual name.
    if not is_named or key.startswith(_OUR_PREFIX) or any(need not in given for need in row.needs):
        return None
    if "origin" in given:
        given["origin"] = _origin(given["origin"], row.defaults.get("origin", ""))
    told = {fact: (facts[fact][0], value) for fact, value in given.items()} | {"api_key": (variable, key or "none")}
    for fact, (name, value) in told.items():
        if fault := _fault(fact, value):
            problems.append(Problem("environment", 0, f"{name} {fault}"))
    return msgspec.convert(
        {fact: value.rstrip("/") for fact, value in given.items()} | ({"api_key": Secret(key)} if key else {}),
        type=ProviderSettings,
        dec_hook=_as_secret,
    )


def _is_enough(given: Mapping[str, str], row: Row) -> bool:
    """Whether a credential of several parts is there as a whole."""
    return any(SCHEMES[one] and set(SCHEMES[one]) <= set(given) for one in schemes_of(row.auth))


def _fault(fact: str, value: str) -> str | None:
    match fact:
        case "origin" | "base_url":
            return address_fault(value, bare=fact == "origin")
        case _ if fact in CREDENTIALS:
            return credential_fault(value)
        case _:
            return fact_fault(value)


def _as_secret(kind: type, value: object) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))


def _first(variables: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, str]:
    """The first variable that is set, and its value; two empty texts if none is."""
    return next(((one, value) for one in variables if (value := environment.get(one, "").strip())), ("", ""))


def _origin(given: str, usual: str) -> str:
    """A server's own `host:port` notation as the address a client asks: every part may be missing from it."""
    scheme, slashes, rest = given.rstrip("/").rpartition("://")
    host, _, port = rest.rpartition(":")
    is_bare_ipv6 = rest.count(":") > 1 and not rest.startswith("[")
    if is_bare_ipv6 or not port.isdigit():
        host, port = rest, "" if slashes else usual.rpartition(":")[2]
    if host in _EVERYWHERE:
        host = "127.0.0.1"
    elif is_bare_ipv6:
        host = f"[{host}]"
    return f"{scheme or 'http'}://{host}" + (f":{port}" if port else "")


def probe_local(table: Table, timeout_s: float = 0.25) -> dict[str, ProviderSettings]:
    """The known servers that answer on this machine as themselves, within `timeout_s` for all together."""
    deadline = time.monotonic() + timeout_s
    probes = {name: row.probe for name, row in table.items() if row.probe is not None}
    answers: dict[str, bytes] = {}
    askers = [
        threading.Thread(target=_gather, args=(name, probe, deadline, answers), daemon=True)
        for name, probe in probes.items()
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(max(deadline - time.monotonic(), 0))
    heard = dict(answers)
    return {name: ProviderSettings() for name, probe in probes.items() if _is_it(heard.get(name), probe)}


def _gather(name: str, probe: Probe, deadline: float, answers: dict[str, bytes]) -> None:
    try:
        answers[name] = _ask(probe, deadline)
    except OSError:
        return  # Nobody is there, or nobody who answers in time.


def _ask(probe: Probe, deadline: float) -> bytes:
    """The whole answer to one GET. Raises OSError, also when the time is up."""
    request = f"GET {probe.path} HTTP/1.0\r\nhost: 127.0.0.1:{probe.port}\r\naccept: application/json\r\n\r\n"
    with socket.create_connection(("127.0.0.1", probe.port), _left(deadline)) as connection:
        connection.sendall(request.encode())
        answer = bytearray()
        while not _is_whole(answer):
            connection.settimeout(_left(deadline))
            chunk = connection.recv(64 * 1024)
            if not chunk:
                break
            answer += chunk
            if len(answer) > _LARGEST_ANSWER:
                return b""
        return bytes(answer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _is_whole(answer: bytearray) -> bool:
    """Whether all is there that the answer's head announces; without an announcement the end of the line decides."""
    head, end, body = answer.partition(b"\r\n\r\n")
    for line in bytes(head).lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if end and name == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False


def _is_it(answer: bytes | None, probe: Probe) -> bool:
    head, _, body = (answer or b"").partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        return False
    try:
        content = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if not set(probe.has) <= set(content):
            return False
        return probe.owned_by is None or _owner(content["data"]) == probe.owned_by
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


class _Owned(msgspec.Struct, frozen=True):
    owned_by: str = ""


def _owner(data: msgspec.Raw) -> str:
    models = msgspec.json.decode(data, type=list[_Owned])
    return models[0].owned_by if models else ""
