"""The carrier at work in the keeper: what follows from a turn, whether it carried, found nothing or failed."""

from __future__ import annotations

import logging
import time

from unigate.errors import StorageError
from unigate.storage.carrier import Carrier
from unigate.storage.ledger import Ledger

__all__ = ["Carrying"]

log = logging.getLogger("unigate.keeper")

_TURN = 0.2
_BREATH = 0.001
_SIGN_OF_LIFE = 5.0
_AFTER_A_REFUSAL = 1.0
_AFTER_A_DEFECT = 5.0
_LATE = 2.0


class Carrying:
    """Turns of carrying, and now and then a sign of life; a defect ends one turn, never the keeper. One at a time."""

    def __init__(self, carrier: Carrier, ledger: Ledger) -> None:
        self._carrier = carrier
        self._ledger = ledger
        self._shown_at = -_SIGN_OF_LIFE
        self._done_at = time.monotonic()
        self._trouble = ""

    @property
    def is_late(self) -> bool:
        """Whether records have been waiting for so long that they no longer give way to calls."""
        return time.monotonic() - self._done_at > _LATE

    def turn(self) -> float:
        """Carries what is there; the seconds to rest before the next turn."""
        try:
            has_more = self._carrier.turn()
            if not has_more:
                self._done_at = time.monotonic()
            if time.monotonic() - self._shown_at >= _SIGN_OF_LIFE:
                self._ledger.show_life()
                self._shown_at = time.monotonic()
        except (StorageError, OSError) as error:
            self._report(str(error))
            return _AFTER_A_REFUSAL
        except Exception:
            log.exception("carrying.broke")
            return _AFTER_A_DEFECT
        self._report("")
        return _BREATH if has_more else _TURN

    def finish(self, seconds: float) -> None:
        """The last turns; what does not fit into the time is carried after the next start."""
        deadline = time.monotonic() + seconds
        while self.turn() == _BREATH and time.monotonic() < deadline:
            pass

    def _report(self, trouble: str) -> None:
        """Says that something began to fail, or stopped failing; not how often it failed between."""
        if trouble and not self._trouble:
            log.error("carrying.failed reason=%s", trouble)
        elif self._trouble and not trouble:
            log.warning("carrying.recovered")
        self._trouble = trouble
