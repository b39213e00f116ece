"""How the scripted upstream was started."""

from __future__ import annotations

import msgspec

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True):
    """Where the scripted upstream listens, whom it lets in and how it misbehaves at the door."""

    host: str = "127.0.0.1"
    port: int = 0
    key: str = ""
    demo: bool = False
    fault: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    aws_access_key: str = ""
    aws_secret_key: str = ""
    google_token: str = ""
