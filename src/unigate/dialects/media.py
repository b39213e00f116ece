"""Content by address: `data:` URLs (RFC 2397) and plain ones, and the names of sound formats."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from unigate.conversation import Data, FileRef, Source, Url

__all__ = ["AUDIO_FORMATS", "plain_text", "source_of", "url_of"]

AUDIO_FORMATS: Mapping[str, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "pcm16": "audio/pcm",
}
"""OpenAI's words for sound formats, and their media types."""


def source_of(address: str) -> Source:
    """What an address stands for: the content itself for a `data:` URL, else somewhere to fetch it."""
    if address[:5].lower() != "data:":
        return Url(address)
    head, comma, content = address[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma:
        return Url(address)
    if "base64" in parameters:
        return Data(media_type or "text/plain", content)
    return Data(media_type or "text/plain", base64.b64encode(unquote_to_bytes(content)).decode())


def url_of(source: Url | Data) -> str:
    """The address of content that is not at a provider."""
    return source.url if isinstance(source, Url) else f"data:{source.media_type};base64,{source.base64}"


def plain_text(source: Source) -> str | None:
    """The words of a text document that is in the request; None for any other content."""
    if isinstance(source, Url | FileRef) or not source.media_type.startswith("text/"):
        return None
    try:
        return base64.b64decode(source.base64).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
