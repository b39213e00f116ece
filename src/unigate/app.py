"""The composition root: `python -m unigate.app door|keeper` is how the supervisor starts its children."""

from __future__ import annotations

import asyncio
import sys

from unigate.lifeline import read_birth
from unigate.logs import configure

__all__ = ["main"]


def _door() -> None:
    import uvloop

    from unigate.door import Door

    async def serve() -> None:
        await Door(birth, asyncio.get_running_loop()).run()

    birth = read_birth()
    configure(birth.settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def _keeper() -> None:
    from unigate.keeper import Keeper

    birth = read_birth()
    configure(birth.settings.log_level)
    Keeper(birth).run()


def main() -> None:
    """Becomes the child that the one argument names."""
    {"door": _door, "keeper": _keeper}[sys.argv[1]]()


if __name__ == "__main__":
    main()
