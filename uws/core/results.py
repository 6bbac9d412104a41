"""What may be said of a result: it stands in URLs, headers and documents."""

from __future__ import annotations

from penstock.dali.media import MediaType

MOST_RESULTS = 10_000
"""How many results a job may have: they are in one document, and each report of a worker may name them all."""

_LONGEST_ID = 200
_LONGEST_MEDIA_TYPE = 200


def is_result_id(text: str) -> bool:
    """Tell whether `text` can be the id of a result: one segment of a path, in characters that can be seen."""
    return 0 < len(text) <= _LONGEST_ID and text.isprintable() and "/" not in text and text not in {".", ".."}


def is_result_type(text: str) -> bool:
    """Tell whether `text` can be the media type of a result (RFC 9110 s8.3.1)."""
    return len(text) <= _LONGEST_MEDIA_TYPE and text == text.strip() and MediaType.parse(text) is not None
