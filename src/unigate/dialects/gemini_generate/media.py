"""Pictures, sounds and documents as Gemini's parts say them, by media type (https://ai.google.dev/api/caching#Part)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from unigate.conversation import Audio, Data, Document, FileRef, Image, Source, Url, Video
from unigate.dialects.gemini_generate.shapes import Blob, FileData
from unigate.dialects.gemini_generate.slots import ORIGIN
from unigate.dialects.gemini_generate.spelling import standard_base64

__all__ = ["Medium", "inline_medium", "media_type_of", "stored_medium"]

Medium = Image | Document | Audio | Video

_KINDS: Mapping[str, type[Image] | type[Audio] | type[Video]] = {"image": Image, "audio": Audio, "video": Video}
# Files uploaded to the service, which nobody else can fetch.
_UPLOADED = ("generativelanguage.googleapis.com", "files/")
_VIDEO_SITES = ("youtube.com", "youtu.be")
_SUFFIXES: Mapping[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
}


def inline_medium(blob: Blob) -> Medium:
    """Content that is in the message."""
    return _medium(Data(blob.mime_type, standard_base64(blob.data)), blob.mime_type, blob.display_name)


def stored_medium(file: FileData) -> Medium:
    """Content at an address."""
    address = urlsplit(file.file_uri)
    if address.hostname == _UPLOADED[0] or file.file_uri.startswith(_UPLOADED[1]):
        source: Source = FileRef(file.file_uri, ORIGIN)
    else:
        source = Url(file.file_uri, file.mime_type)
    is_video = (address.hostname or "").removeprefix("www.") in _VIDEO_SITES
    return _medium(source, file.mime_type or ("video/" if is_video else ""), file.display_name)


def _medium(source: Source, media_type: str, name: str | None) -> Medium:
    kind = _KINDS.get(media_type.partition("/")[0])
    return Document(source, name) if kind is None else kind(source)


def media_type_of(source: Url, otherwise: str | None) -> str | None:
    """The media type of something to fetch, guessed from its address where it was not told."""
    suffix = urlsplit(source.url).path.rpartition(".")[2].lower()
    return source.media_type or _SUFFIXES.get(suffix, otherwise)
