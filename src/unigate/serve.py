"""`unigate serve`: finds the configuration, decides what may be started, and hands it to the supervisor."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from unigate.banner import Announcement, announce
from unigate.config import Config, ProviderSettings
from unigate.config_file import load_table, read_config, resolve
from unigate.demo import DemoPlan, is_loopback, plan_demo
from unigate.discovery import find_providers, probe_local, read_dotenv
from unigate.errors import ConfigError, Problem, StorageError
from unigate.first_start import FirstKeys, make_first_keys, write_first_keys
from unigate.journal import take_lock
from unigate.local import available
from unigate.logs import LEVELS, configure
from unigate.seal_keys import seal_keys
from unigate.snapshot import Settings
from unigate.storage.change import named_by
from unigate.supervisor import Supervisor
from unigate.texts import Texts

__all__ = ["Choices", "Stop", "address_of", "example_model", "find_config", "serve"]

_USUAL_FILES = ("unigate.yaml", "unigate.yml")


class Choices(msgspec.Struct, frozen=True):
    """What the command line said; None is `not said`."""

    config: Path | None = None
    data: Path = Path("data")
    logs: Path = Path("logs")
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    demo: bool = False
    show_keys: bool = False


class Stop(Exception):
    """Nothing was started; the text is for the person who tried."""


def serve(choices: Choices, environment: Mapping[str, str]) -> int:
    """Runs the gateway until it is stopped; the exit code."""
    say = Texts(environment)
    try:
        return _serve(choices, read_dotenv(Path(".env"), environment), say)
    except ConfigError as error:
        print(say("config_bad"), *(f"  {problem}" for problem in error.problems), sep="\n", file=sys.stderr)
    except (Stop, StorageError) as stop:
        print(stop, file=sys.stderr)
    return 2


def find_config(given: Path | None, say: Texts) -> Path | None:
    """The configuration file: the one that was named, or the usual one in the working directory. Raises Stop."""
    if given is not None:
        if not given.is_file():
            raise Stop(say("config_missing", path=given))
        return given
    return next((path for name in _USUAL_FILES if (path := Path(name)).is_file()), None)


def _serve(choices: Choices, environment: Mapping[str, str], say: Texts) -> int:
    level = environment.get("LOG_LEVEL", "info").lower()
    level = level if level in LEVELS else "info"
    configure(level)
    path = find_config(choices.config, say)
    try:
        choices.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        choices.logs.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = take_lock(choices.data / "lock")
    except OSError as error:
        raise Stop(say("folder_bad", path=error.filename, reason=error.strerror or error)) from error
    if lock is None:
        raise Stop(say("already_running", data=choices.data))
    config = _config(path, choices, environment)
    plan = _demo_plan(config, path, choices, say)
    settings = resolve(config, load_table(), data=str(choices.data), logs=str(choices.logs), log_level=level)
    if plan is not None:
        settings = msgspec.structs.replace(settings, providers=(), routes=(), demo=plan.demo)
    else:
        (choices.data / "configured").touch()
    settings = msgspec.structs.replace(settings, seals=seal_keys(choices.data, environment))
    listener = _listen(config.server.host, config.server.port, say)
    named = named_by(settings)
    keys = make_first_keys(choices.data, config.database.reveal() if config.database is not None else None, named)
    announcement = _announcement(settings, listener, plan, keys, choices, model=example_model(config, settings))
    supervisor = Supervisor(settings, listener, plan.children if plan else ())
    model = plan.model if plan else None
    is_up = asyncio.run(
        supervisor.run(
            lambda: print(announce(announcement, say), flush=True),
            lambda: print("  " + say("model_ready", model=model), flush=True) if model else None,
            lambda: print(say("stopping"), file=sys.stderr, flush=True),
        )
    )
    os.close(lock)
    if not is_up:
        raise Stop(say("door_failed"))
    return 0


def _config(path: Path | None, choices: Choices, environment: Mapping[str, str]) -> Config:
    """The file's settings, or what can be found without one; the command line overrides both."""
    if path is not None:
        config = read_config(path, environment)
    else:
        table = load_table()
        found: dict[str, ProviderSettings] = {} if choices.demo else find_providers(environment, table)
        if not choices.demo:
            found = probe_local(table) | found
        config = Config(providers=found)
    said = {name: value for name in ("host", "port", "workers") if (value := getattr(choices, name)) is not None}
    try:
        server = msgspec.convert(msgspec.structs.asdict(config.server) | said, type(config.server))
    except msgspec.ValidationError as error:
        raise ConfigError(Problem("the command line", 0, str(error))) from error
    return msgspec.structs.replace(config, server=server)


def _demo_plan(config: Config, path: Path | None, choices: Choices, say: Texts) -> DemoPlan | None:
    """The demo if it is wanted or this is a first try; None if there are providers. Raises Stop otherwise."""
    if config.providers and not choices.demo:
        return None
    why = None
    if path is not None:
        why = say("why_config")
    elif (choices.data / "configured").exists():
        why = say("why_before")
    elif not is_loopback(config.server.host):
        why = say("why_address")
    if why is not None and not choices.demo:
        raise Stop(say("no_provider", why=why))
    return plan_demo(available())


def _listen(host: str, port: int, say: Texts) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        raise Stop(say("port_in_use", host=host, port=port, reason=error.strerror or error)) from error
    return listener


def example_model(config: Config, settings: Settings) -> str:
    """A model's name that the printed line can use: any in the demo, else a route's, else one its provider has."""
    if settings.demo is not None:
        return "gpt-3.5-turbo"
    if settings.routes:
        return settings.routes[0].name
    table = load_table()
    for name, provider in config.providers.items():
        example = table[provider.kind or name].example
        if example is not None:
            return example if len(config.providers) == 1 else f"{name}/{example}"
    return "MODEL"


def address_of(listener: socket.socket) -> str:
    """The address to print for a listener."""
    host, port = listener.getsockname()[:2]
    if host in ("127.0.0.1", "0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announcement(
    settings: Settings,
    listener: socket.socket,
    plan: DemoPlan | None,
    keys: FirstKeys | None,
    choices: Choices,
    *,
    model: str,
) -> Announcement:
    file = choices.data / "first-keys"
    if keys is not None and not (sys.stdout.isatty() or choices.show_keys):
        write_first_keys(keys, file)
        keys = None
    return Announcement(
        settings=settings,
        address=address_of(listener),
        model=model,
        demo_model=plan.model if plan else None,
        keys=keys,
        keys_file=file if keys is None and file.exists() else None,
    )
