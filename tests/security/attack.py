"""What an attacker has in hand: sockets that send exactly these bytes, silent listeners, a search for secrets."""

from __future__ import annotations

import base64
import json
import selectors
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateways import Gateway
from harness import Answer, Wire

BOX = ("127.0.0.2", "127.0.0.3", "127.1.2.3", "::1")


def say(port: int, *packets: bytes, timeout: float = 60.0) -> Answer:
    """One answer to these bytes, on a connection of its own."""
    with Wire(port, timeout=timeout) as wire:
        return wire.send(*packets).answer(to_head=packets[0].startswith(b"HEAD "))


def ask(
    gateway: Gateway, method: str, target: str, body: object = None, *, key: str = "", headers: Iterable[str] = ()
) -> Answer:
    """One request; `key` goes where most clients put it, `headers` are whole lines."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", "host: gateway", "connection: close", *headers]
    lines += [f"authorization: Bearer {key}"] if key else []
    lines += ["content-type: application/json", f"content-length: {len(content)}"] if content else []
    return say(gateway.port, "\r\n".join([*lines, "", ""]).encode("latin-1") + content)


def chat_body(model: str = "m", text: str = "hi", **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def upstream_calls(address: str) -> list[dict[str, object]]:
    """What the scripted upstream was sent by callers; the keeper asks for the list of models on its own."""
    with urllib.request.urlopen(f"{address}/mock/calls", timeout=60) as answer:
        return [call for call in json.load(answer) if call["path"] != "/v1/models"]


class Canaries:
    """Listeners nobody has a reason to connect to; `caught` is what connected all the same."""

    def __init__(self) -> None:
        self.caught: list[tuple[str, bytes]] = []
        self.addresses: list[str] = []
        self.ports: list[int] = []
        self._selector = selectors.DefaultSelector()
        for host in BOX:
            if ":" in host and not _has_ipv6():
                continue
            listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.ports.append(listener.getsockname()[1])
            self.addresses.append(f"[{host}]:{self.ports[-1]}" if ":" in host else f"{host}:{self.ports[-1]}")
            self._selector.register(listener, selectors.EVENT_READ)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while (events := self._selector.select(0.05)) or not self._ended.is_set():
            for key, _ in events:
                assert isinstance(key.fileobj, socket.socket)
                connection, _ = key.fileobj.accept()
                with connection:
                    connection.settimeout(0.5)
                    try:
                        said = connection.recv(4096)
                    except OSError:
                        said = b""
                    self.caught.append((str(key.fileobj.getsockname()), said))

    def close(self) -> None:
        """Hears whatever is still in the queue of a listener, then leaves."""
        self._ended.set()
        self._thread.join(5)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@contextmanager
def canaries() -> Iterator[Canaries]:
    birds = Canaries()
    try:
        yield birds
    finally:
        birds.close()


def forms(secret: str) -> dict[str, bytes]:
    """A secret as it is, and as it looks after the usual encodings."""
    raw = secret.encode()
    found = {
        "as it is": raw,
        "URL-encoded": urllib.parse.quote(secret, safe="").encode(),
        "JSON-escaped": json.dumps(secret)[1:-1].encode(),
        "its first 12 characters": raw[:12],
    }
    for shift in range(3):
        # In base64 a text looks different at each of three offsets; whole groups of its middle are always the same.
        whole = base64.b64encode(bytes(shift) + raw)
        found[f"base64, offset {shift}"] = whole[4 if shift else 0 : -4]
    return found


def leaks(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """Which secret is seen where, and in which form."""
    return [
        f"{name} {form} in {place}"
        for name, secret in secrets.items()
        for form, needle in forms(secret).items()
        for place, content in places.items()
        if needle in content
    ]


def files_under(folder: Path) -> dict[str, bytes]:
    """All that is on disk there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def descendants(pid: int) -> list[int]:
    """The children of a process, their children included."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [child for child, parent in pairs if parent == pid]
    return found + [deeper for child in found for deeper in descendants(child)]
