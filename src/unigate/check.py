"""`unigate check`: judges a configuration file without starting anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from unigate.config_file import json_schema, read_config
from unigate.discovery import read_dotenv
from unigate.errors import ConfigError
from unigate.serve import Stop, find_config
from unigate.texts import Texts

__all__ = ["check"]


def check(given: Path | None, *, schema: bool, environment: Mapping[str, str]) -> int:
    """Prints every problem of the file with its line, or that there is none; the exit code."""
    say = Texts(environment)
    if schema:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return 0
    try:
        path = find_config(given, say)
        if path is None:
            print(say("config_none"))
            return 0
        read_config(path, read_dotenv(Path(".env"), environment))
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 2
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 1
    print(say("config_good", path=path))
    return 0
