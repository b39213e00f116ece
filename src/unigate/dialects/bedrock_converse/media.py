"""Pictures, documents, sound and film as Converse takes them: a format by its own word, and bytes or an address in S3.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from unigate.conversation import Audio, Data, Document, FileRef, Image, Source, Url, Video
from unigate.dialects.losses import Losses
from unigate.dialects.media import plain_text
from unigate.parts import Part

__all__ = ["Media"]

_IMAGES: Mapping[str, str] = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_AUDIO: Mapping[str, str] = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "mp4",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
    "audio/pcm": "pcm",
}
_VIDEOS: Mapping[str, str] = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
# Only these may stand in a document's name, and no two spaces in a row.
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9\s\-()\[\]]|\s+")
_SPACES = re.compile(r"\s+")
_LONGEST_NAME = 200
_EXTENSION = re.compile(r"\.([a-z0-9]{2,4})$", re.IGNORECASE)

_Json = dict[str, object]


class Media:
    """Writes media, giving each document of a request a name of its own. Raises Refusal (422) through the losses."""

    __slots__ = ("_losses", "_names")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._names: set[str] = set()

    def image(self, image: Image) -> _Json | None:
        """A picture."""
        if image.detail not in (None, "auto"):
            self._losses.cannot(Part.IMAGE_DETAIL)
        return self._block("image", image.source, _IMAGES, (Part.IMAGES, Part.IMAGE_URLS))

    def audio(self, audio: Audio) -> _Json | None:
        """A sound."""
        return self._block("audio", audio.source, _AUDIO, (Part.AUDIO, Part.AUDIO))

    def video(self, video: Video) -> _Json | None:
        """A film."""
        return self._block("video", video.source, _VIDEOS, (Part.VIDEO, Part.VIDEO))

    def document(self, document: Document) -> _Json | None:
        """A document."""
        written = self._block("document", document.source, _DOCUMENTS, (Part.DOCUMENTS, Part.DOCUMENT_URLS))
        if written is None:
            return None
        told: _Json = {"name": self._name(document.name)}
        text = plain_text(document.source) if document.cited else None
        if text is not None:
            # Passages of a text are told by character only if it comes as text.
            told["source"] = {"text": text}
        if document.cited:
            told["citations"] = {"enabled": True}
        return {"document": {**written, **told}}

    def _block(self, kind: str, source: Source, formats: Mapping[str, str], parts: tuple[Part, Part]) -> _Json | None:
        found = self._located(source, formats, parts)
        if found is None or kind == "document":
            return found
        return {kind: found}

    def _located(self, source: Source, formats: Mapping[str, str], parts: tuple[Part, Part]) -> _Json | None:
        match source:
            case FileRef():
                self._losses.cannot(Part.FILE_IDS)
            case Data(media_type, base64) if media_type in formats:
                return {"format": formats[media_type], "source": {"bytes": base64}}
            case Data():
                self._losses.cannot(parts[0])
            case Url(url, media_type) if url.startswith("s3://"):
                word = formats.get(media_type or "") or _by_extension(url, formats)
                if word is not None:
                    return {"format": word, "source": {"s3Location": {"uri": url}}}
                self._losses.cannot(parts[0])
            case Url():
                self._losses.cannot(parts[1])
        return None

    def _name(self, name: str | None) -> str:
        """A name in the letters that are allowed; two documents of one name are refused."""
        plain = _SPACES.sub(" ", _NOT_IN_NAME.sub(" ", _EXTENSION.sub("", name or ""))).strip()
        wanted = plain[: _LONGEST_NAME - 5] or "document"
        found, number = wanted, 1
        while found.lower() in self._names:
            number += 1
            found = f"{wanted} {number}"
        self._names.add(found.lower())
        return found


def _by_extension(url: str, formats: Mapping[str, str]) -> str | None:
    found = _EXTENSION.search(url)
    word = {"jpg": "jpeg", "mpg": "mpeg"}.get(found.group(1).lower(), found.group(1).lower()) if found else None
    return word if word in formats.values() else None
