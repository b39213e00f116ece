"""Where a passage of an answer comes from, in the Messages API's words and in ours.

https://platform.claude.com/docs/en/build-with-claude/citations
"""

from __future__ import annotations

import msgspec

from unigate.conversation import Citation

__all__ = ["citation_of", "written_citation"]


class _Place(msgspec.Struct):
    """All five kinds at once: character, page and block of a document, web result, search result."""

    cited_text: str | None = None
    url: str | None = None
    source: str | None = None
    title: str | None = None
    document_title: str | None = None
    document_index: int | None = None
    start_page_number: int | None = None


_decoder = msgspec.json.Decoder(_Place)
_encode = msgspec.json.Encoder().encode


def citation_of(raw: msgspec.Raw) -> Citation | None:
    """A citation, or None if it is none; the passage is the whole block that it hangs on."""
    try:
        place = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Citation(
        place.url or place.source,
        place.title or place.document_title,
        place.cited_text,
        document=place.document_index,
        page=place.start_page_number,
    )


def written_citation(citation: Citation) -> msgspec.Raw:
    """The citation as a client of this format expects it, with nothing for what only its own service knows."""
    quote = citation.quote or ""
    told: dict[str, object]
    if citation.url is not None:
        told = {"type": "web_search_result_location", "cited_text": quote, "encrypted_index": ""}
        return msgspec.Raw(_encode(told | {"title": citation.title, "url": citation.url}))
    told = {"cited_text": quote, "document_index": citation.document or 0, "document_title": citation.title}
    if citation.page is not None:
        # The end is exclusive.
        place: dict[str, object] = {"start_page_number": citation.page, "end_page_number": citation.page + 1}
        return msgspec.Raw(_encode({"type": "page_location", **told, **place}))
    return msgspec.Raw(_encode({"type": "char_location", **told, "start_char_index": 0, "end_char_index": 0}))
