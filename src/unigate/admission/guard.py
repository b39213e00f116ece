"""What a key's text must fulfil besides being known: that it has not ended, and comes from where it may."""

from __future__ import annotations

from unigate.admission.addresses import Networks
from unigate.errors import Refusal

__all__ = ["KeyGuard"]


class KeyGuard:
    """Until when and from where one key's text works; a key without either has no guard."""

    __slots__ = ("_ends_ns", "_is_replaced", "_networks")

    def __init__(self, ends_ns: int | None, addresses: tuple[str, ...] | None, *, is_replaced: bool = False) -> None:
        self._ends_ns = ends_ns
        self._networks = Networks(addresses) if addresses is not None else None
        # Whether it is the former text of a key that was rotated.
        self._is_replaced = is_replaced

    def check_time(self, now_ns: int) -> None:
        """Raises Refusal (401) once it has ended."""
        if self._ends_ns is None or now_ns < self._ends_ns:
            return
        reason = "The API key has expired; ask for a new one, or have its 'expires' moved."
        if self._is_replaced:
            reason = (
                "This API key was replaced by a newer one, and the time to change over has passed; use the new one."
            )
        raise Refusal(
            401, "key_expired", reason, type="authentication_error", headers=(("www-authenticate", "Bearer"),)
        )

    def check(self, now_ns: int, origin: str) -> None:
        """Raises Refusal: 401 once it has ended, 403 for an address it may not be used from."""
        self.check_time(now_ns)
        if self._networks is None or self._networks.has(origin):
            return
        reason = (
            f"This API key may not be used from {origin[:60] or 'here'}; have that address added, or use another key."
        )
        raise Refusal(403, "address_not_allowed", reason, type="permission_error")
