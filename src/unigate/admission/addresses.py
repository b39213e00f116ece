"""Where a request comes from: its peer, or what a trusted proxy says of it, and whether that is in a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["Networks", "network_fault"]

_LONGEST = 4096
_MAPPED = 0xFFFF_0000_0000  # an IPv4 address is the same one written as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2)


class Networks:
    """A few networks, prepared for the question whether an address lies in one of them."""

    __slots__ = ("_ranges",)

    def __init__(self, written: Iterable[str]) -> None:
        self._ranges = tuple(_range(one) for one in written)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def has(self, address: str) -> bool:
        """Whether the address lies in one of them; what is no address never does."""
        value = _value(address)
        return value is not None and any(first <= value <= last for first, last in self._ranges)

    def origin(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """Who sent a request, if these networks are the trusted proxies: the right-most entry that is none of them.

        Each proxy adds at the right whom it was called by, so all left of the first stranger is the stranger's word
        (https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For).
        """
        if not self._ranges or not self.has(peer):
            return peer
        told = headers.get(b"x-forwarded-for", b"")[-_LONGEST:].decode("latin-1")
        for entry in reversed(told.split(",") if told else ()):
            address = _bare(entry)
            if not self.has(address):
                return address
            peer = address
        return peer


def network_fault(text: str) -> str | None:
    """What keeps a text from being an address or a network."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return "is neither an address nor a network; write 10.0.0.7 or 10.0.0.0/8"
    try:
        ip_network(text)
    except ValueError:
        return f"names an address within a network; write {network}"
    return None


def _bare(entry: str) -> str:
    """An entry without the port that some proxies add."""
    entry = entry.strip()
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _range(text: str) -> tuple[int, int]:
    network = ip_network(text)
    first, last = int(network.network_address), int(network.broadcast_address)
    if isinstance(network, IPv6Network):
        return first, last
    return _MAPPED + first, _MAPPED + last


def _value(address: str) -> int | None:
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return _MAPPED + int(parsed) if isinstance(parsed, IPv4Address) else int(parsed)
