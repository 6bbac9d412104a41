"""Which text XML 1.0 can carry (XML 1.0 s2.2)."""

from __future__ import annotations

import re

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_INLINE = 64 * 1024


def is_xml_text(text: str) -> bool:
    """Tell whether every character may stand in an XML document."""
    return _ILLEGAL.search(text) is None


def can_stand_inline(text: str) -> bool:
    """Tell whether a parameter value is shown in the job document; others are by reference (UWS 1.1 s2.1.11)."""
    return len(text) <= _LONGEST_INLINE and is_xml_text(text)


def xml_text(text: str) -> str:
    """Return `text` with U+FFFD in place of what XML cannot carry."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
