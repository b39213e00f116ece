"""`unigate keys`: makes, lists and revokes keys, through the running gateway or, with none running, by itself."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import time
import unicodedata
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import msgspec

from unigate.errors import Refusal, StorageError, UnigateError
from unigate.journal import take_lock
from unigate.logs import clean
from unigate.snapshot_file import SnapshotFile
from unigate.storage.registry import KeyLine, NewKey, Registry
from unigate.storage.store import Store
from unigate.texts import is_chinese

__all__ = ["create", "list_", "revoke"]

_STARTING = 3.0  # the keeper of a gateway that is just starting may need this long
_LONGEST_NAME = 200

_TEXTS = {
    "made": (
        "Key '{name}' was made ({id}). This is the only time it is shown:",
        "已新建密钥“{name}”（{id}）。密钥只显示这一次：",
    ),
    "revoked": ("Key '{name}' was revoked.", "已吊销密钥“{name}”。"),
    "none": (
        "There are no keys; 'unigate keys create NAME' makes one.",
        "还没有密钥；运行 unigate keys create 名称 可新建。",
    ),
    "key_exists": (
        "There is a key named '{name}'; revoke it first, or choose another name.",
        "已有名为“{name}”的密钥；请先吊销它，或换一个名称。",
    ),
    "key_not_found": (
        "There is no key with the id or name '{name}'; 'unigate keys list' shows all.",
        "没有编号或名称为“{name}”的密钥；运行 unigate keys list 可查看全部。",
    ),
    "key_in_file": (
        "The key '{name}' is named in the configuration file; change it there and restart.",
        "密钥“{name}”写在配置文件中；请在配置文件里修改并重启。",
    ),
    "invalid_value": (
        "A key's name has 1 to 200 characters and no space at its ends; so have names of models, up to 500.",
        "密钥名称为 1 到 200 个字符，首尾不能有空格；模型名称最长 500 个字符。",
    ),
    "no_data": (
        "There is no gateway's data in {data}; say where it is with --data, or start one with 'unigate serve'.",
        "{data} 中没有网关数据；请用 --data 指定目录，或先运行 unigate serve。",
    ),
    "no_answer": (
        "A gateway runs on {data}, but its keeper does not answer ({reason}); its log says why. Try again in a moment.",
        "网关正在 {data} 上运行，但 keeper 没有应答（{reason}），原因见其日志。请稍后重试。",
    ),
    "storage": ("The change could not be kept: {reason}", "更改未能保存：{reason}"),
    "head": ("ID\tNAME\tROLE\tMODELS\tMADE\tWHERE", "编号\t名称\t角色\t模型\t创建时间\t来源"),
    "file": ("configuration", "配置文件"),
    "store": ("database", "数据库"),
    "admin": ("admin", "管理"),
    "client": ("client", "客户端"),
    "all": ("all", "全部"),
}


def create(data: Path, name: str, role: str, models: Sequence[str] | None, environment: Mapping[str, str]) -> int:
    """Makes a key: its text alone goes to standard output, so that a script can keep it; the exit code."""

    def act(desk: _Desk) -> None:
        made = desk.create(name, role, models)
        print(say("made", name=made.line.name, id=made.line.id), file=sys.stderr, flush=True)
        print(made.text, flush=True)

    say = _Say(environment)
    return _run(data, name, act, say)


def list_(data: Path, environment: Mapping[str, str]) -> int:
    """Prints all keys as a table; the exit code."""

    def act(desk: _Desk) -> None:
        lines = desk.lines()
        print(_table(lines, say) if lines else say("none"))

    say = _Say(environment)
    return _run(data, "", act, say) if _has_data(data, say) else 2


def revoke(data: Path, key: str, environment: Mapping[str, str]) -> int:
    """Ends the key of that id or name; the exit code."""

    def act(desk: _Desk) -> None:
        print(say("revoked", name=desk.revoke(key)))

    say = _Say(environment)
    return _run(data, key, act, say) if _has_data(data, say) else 2


class _Say:
    """The sentences of this command in the user's language."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._column = 1 if is_chinese(environment) else 0

    def __call__(self, sentence: str, /, **values: object) -> str:
        return _TEXTS[sentence][self._column].format(**values)

    def refusal(self, refusal: Refusal, key: str) -> str:
        """Why the gateway said no; in its own words if it is none of the usual reasons."""
        told = refusal.told
        return self(told.code, name=key) if told.code in _TEXTS else told.message


class _Desk(Protocol):
    """Whoever makes the change: the running gateway, or we ourselves."""

    def lines(self) -> Sequence[KeyLine]: ...

    def create(self, name: str, role: str, models: Sequence[str] | None) -> NewKey: ...

    def revoke(self, key: str) -> str:
        """The name of the key that was ended."""
        ...


class _NoAnswer(UnigateError):
    """A gateway runs, but nobody answers at its socket."""


def _has_data(data: Path, say: _Say) -> bool:
    """Whether there is a database; looking at keys must not make one, or the first start would make no first keys."""
    if (data / "unigate.db").exists():
        return True
    print(say("no_data", data=data), file=sys.stderr)
    return False


def _run(data: Path, key: str, act: Callable[[_Desk], None], say: _Say) -> int:
    try:
        with _desk(data) as desk:
            act(desk)
        return 0
    except Refusal as refusal:
        print(say.refusal(refusal, key), file=sys.stderr)
    except _NoAnswer as error:
        print(say("no_answer", data=data, reason=error), file=sys.stderr)
    except (StorageError, OSError) as error:
        print(say("storage", reason=error), file=sys.stderr)
    return 1


@contextmanager
def _desk(data: Path) -> Generator[_Desk]:
    """The running gateway's desk; with none running ours, and none can start meanwhile."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = take_lock(data / "lock")
    if lock is None:
        yield _Remote(data / "cli.sock")
        return
    try:
        store = Store.open(data / "unigate.db")
        try:
            yield _Local(Registry(store, SnapshotFile(data / "snapshot.json"), ()))
        finally:
            store.close()
    finally:
        os.close(lock)


class _Local:
    """Makes changes in the database itself."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def lines(self) -> Sequence[KeyLine]:
        return self._registry.lines()

    def create(self, name: str, role: str, models: Sequence[str] | None) -> NewKey:
        if not 0 < len(name) <= _LONGEST_NAME or name != name.strip():
            raise Refusal(400, "invalid_value", "The name cannot be used.")
        return self._registry.create(name, role, models)

    def revoke(self, key: str) -> str:
        return self._registry.revoke(key).name


class _KeyPage(msgspec.Struct):
    data: tuple[KeyLine, ...]


class _Text(msgspec.Struct):
    key: str


class _Why(msgspec.Struct):
    message: str
    code: str | None = None


class _Error(msgspec.Struct):
    error: _Why


class _Remote:
    """Asks the gateway's keeper over the operator's socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> Sequence[KeyLine]:
        return msgspec.json.decode(self._ask("GET", "/keys"), type=_KeyPage).data

    def create(self, name: str, role: str, models: Sequence[str] | None) -> NewKey:
        content = self._ask("POST", "/keys", {"name": name, "role": role, "models": models})
        return NewKey(msgspec.json.decode(content, type=KeyLine), msgspec.json.decode(content, type=_Text).key)

    def revoke(self, key: str) -> str:
        line = next((line for line in self.lines() if key in (line.id, line.name)), None)
        if line is None:
            raise Refusal(404, "key_not_found", f"There is no key with the id or name '{key}'.")
        self._ask("DELETE", "/keys/" + quote(line.id, safe=""))
        return line.name

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        connection = _Connection(self._path)
        content = msgspec.json.encode(body) if body is not None else None
        try:
            connection.request(method, "/admin/v1" + path, content, {"content-type": "application/json"})
            answer = connection.getresponse()
            answered = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise _NoAnswer(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if answer.status < 400:
            return answered
        why = msgspec.json.decode(answered, type=_Error).error
        raise Refusal(answer.status, why.code or "", why.message)


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket; waits a little for one that is not there yet."""

    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=10.0)
        self._path = path

    def connect(self) -> None:
        deadline = time.monotonic() + _STARTING
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            try:
                self.sock.connect(os.fspath(self._path))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                self.sock.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _table(lines: Sequence[KeyLine], say: _Say) -> str:
    rows = [say("head").split("\t"), *(_row(line, say) for line in lines)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(_padded, row, widths)).rstrip() for row in rows)


def _row(line: KeyLine, say: _Say) -> list[str]:
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(line.created)) if line.created is not None else "-"
    models = ", ".join(line.models) if line.models is not None else say("all")
    return [line.id, clean(line.name), say(line.role), clean(models) or "-", made, say(line.source)]


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
