"""How files of a directory tree are named in a lake, and how their paths are kept as text.

A name is the path below the tree's root with forward slashes. What cannot be printed, bytes that are not UTF-8
included, is percent-encoded, and so is the percent sign: two paths never share a name, and the path can be had back.
A dataset is a directory: its name ends with a slash, which no file's does; that of the whole collection is ``/``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes, unquote_to_bytes

from penstock.lake.port import MAX_DID_LENGTH, Did

ALL = "/"  # the name of the dataset that holds a whole collection
_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,24}")
_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


def as_text(path: str) -> str:
    """Return a path as printable text from which `as_path` finds it again."""
    return "".join(_escaped(character) for character in path)


def _escaped(character: str) -> str:
    if character.isprintable() and character != "%":
        return character
    return quote_from_bytes(os.fsencode(character), safe="")


def as_path(text: str) -> Path:
    """Return the path that `as_text` wrote."""
    return Path(os.fsdecode(unquote_to_bytes(text)))


def collection_name(text: str) -> str:
    """Return `text` if it can name a collection: the scope of its files' identifiers.

    Raises
    ------
    ValueError
        It has other characters than letters, digits, dot, underscore and hyphen, or more than 25.
    """
    if not _COLLECTION.fullmatch(text):
        raise ValueError(
            f"{text!r} cannot name a collection: up to 25 letters, digits, dots, underscores and hyphens can, "
            "the first a letter or digit"
        )
    return text


def site_name(text: str) -> str:
    """Return `text` if it can name a site.

    Raises
    ------
    ValueError
        It has other characters than letters, digits, dot, underscore and hyphen, or more than 60.
    """
    if not _SITE.fullmatch(text):
        raise ValueError(
            f"{text!r} cannot name a site: up to 60 letters, digits, dots, underscores and hyphens can, "
            "the first a letter or digit"
        )
    return text


def file_did(collection: str, relative: PurePath) -> Did:
    """Return the identifier of a file by its path below the root of its tree.

    Raises
    ------
    ValueError
        The identifier would be too long.
    """
    did = Did(collection, as_text(relative.as_posix()))
    if len(str(did)) > MAX_DID_LENGTH:
        raise ValueError(f"its identifier would have more than {MAX_DID_LENGTH} characters")
    return did


def dataset_prefix(did: Did) -> str | None:
    """Return what the names of a dataset's files begin with; None if `did` names a file."""
    if not did.name.endswith("/"):
        return None
    return "" if did.name == ALL else did.name
