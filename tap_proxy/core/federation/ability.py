"""What an upstream declares that it can do: constructs of ADQL, forms of results, uploads (TAPRegExt 1.0).

Nothing is sent to an upstream that it does not declare. An upstream without any declaration gets plain ADQL 2.0 and is
asked for a VOTable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

from lxml import etree

from penstock.dali.formats import Format
from penstock.dali.media import MediaType

VOTABLE = "application/x-votable+xml"
_TAP = "ivo://ivoa.net/std/tap"
_SERIALIZATION_IDS = {"TABLEDATA": "#output-votable-td", "BINARY2": "#output-votable-binary2"}
_SAME_EVERYWHERE = {
    # Where no header is declared there may be none (RFC 4180 s3); TSV cannot say so, and services leave it out.
    "csv": MediaType(essence="text/csv", params=frozenset({("header", "present")})),
    "fits": MediaType(essence="application/fits"),
    "parquet": MediaType(essence="application/vnd.apache.parquet"),
}
_MOST_FEATURES = 5000


class Unreadable(ValueError):
    """A document of an upstream is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedFormat:
    """A form of results that an upstream offers (TAPRegExt 1.0 s2.5)."""

    mime: str
    aliases: tuple[str, ...] = ()
    ivo_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What an upstream declares.

    Parameters
    ----------
    version
        Of TAP.
    adql_2_1
        Whether the language's newer syntax is understood.
    constructs
        Optional constructs and user-defined functions, by upper-case name.
    formats
        Forms of results.
    upload_methods
        Ways in which tables may come with a query: ``inline``, ``http``, ``https``.
    """

    version: str = "1.0"
    adql_2_1: bool = False
    constructs: frozenset[str] = frozenset()
    formats: tuple[OfferedFormat, ...] = ()
    upload_methods: frozenset[str] = frozenset()

    def form_of(self, wanted: Format) -> str | None:
        """Return what to ask for to get a form as it is, None where it is not offered or means something of ours."""
        if wanted.serialization is None:
            same = _SAME_EVERYWHERE.get(wanted.key)
            return None if same is None else self._mime(same)
        if "version" in wanted.media_type.lower():
            return None
        exact = self.votable(wanted.serialization)
        if exact is None and "serialization" not in wanted.media_type.lower():
            return VOTABLE
        return exact

    def votable(self, serialization: str) -> str | None:
        """Return what to ask for to get a VOTable whose rows are written in one way, None where that is not offered."""
        for each in self.formats:
            parsed = MediaType.parse(each.mime)
            named = dict(parsed.params).get("serialization", "") if parsed else ""
            by_id = (each.ivo_id or "").lower().endswith(_SERIALIZATION_IDS.get(serialization, "?"))
            if named.upper() == serialization or by_id:
                return each.mime
        return None

    def quickest(self) -> str:
        """Return what to ask for where we read the rows ourselves."""
        return self.votable("BINARY2") or VOTABLE

    def _mime(self, wanted: MediaType) -> str | None:
        for each in self.formats:
            parsed = MediaType.parse(each.mime)
            if parsed is not None and parsed.essence == wanted.essence and parsed.params >= wanted.params:
                return each.mime
        return None


def read_capabilities(source: IO[bytes]) -> Ability:
    """Read the capabilities of a TAP service (VOSI 1.1 s3.1, TAPRegExt 1.0).

    Raises
    ------
    Unreadable
        It is no such document, or describes no TAP service.
    """
    return _ability(_tap_capability(source))


def declared_features(source: IO[bytes]) -> Iterator[tuple[str, str, str | None]]:
    """Yield the features of ADQL that capabilities declare: their type, form and description (TAPRegExt 1.0 s2.3).

    Raises as `read_capabilities` does.
    """
    yield from islice(_features(_adql(_tap_capability(source))), _MOST_FEATURES)


def _tap_capability(source: IO[bytes]) -> etree._Element:
    try:
        root = etree.parse(source, safe_parser()).getroot()
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"its capabilities are no XML: {error}") from error
    for capability in root.iter("{*}capability"):
        standard = (capability.get("standardID") or "").lower()
        if standard == _TAP:
            return capability
    raise Unreadable("its capabilities describe no TAP service")


def safe_parser() -> etree.XMLParser:
    """Return a parser for what others write: no entities, no network, no trees without end."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )


def _adql(capability: etree._Element) -> list[etree._Element]:
    return [each for each in capability.iter("{*}language") if _text(each, "name").upper() == "ADQL"]


def _ability(capability: etree._Element) -> Ability:
    languages = _adql(capability)
    versions = {(each.text or "").strip() for language in languages for each in language.iter("{*}version")}
    return Ability(
        version=_version(capability),
        adql_2_1=any(version.startswith("2.1") for version in versions),
        constructs=frozenset(_constructs(languages)),
        formats=tuple(_formats(capability)),
        upload_methods=frozenset(
            (each.get("ivo-id") or "").rpartition("#upload-")[2] for each in capability.iter("{*}uploadMethod")
        ),
    )


def _version(capability: etree._Element) -> str:
    interfaces = [each for each in capability.iter("{*}interface") if each.get("role") == "std"]
    return max((each.get("version") or "1.0" for each in interfaces), default="1.0")


def _constructs(languages: Iterable[etree._Element]) -> Iterable[str]:
    for _, form, _ in islice(_features(languages), _MOST_FEATURES):
        yield form.partition("(")[0].strip().upper()


def _features(languages: Iterable[etree._Element]) -> Iterator[tuple[str, str, str | None]]:
    for language in languages:
        for features in language.iter("{*}languageFeatures"):
            for feature in features.iter("{*}feature"):
                description = " ".join(_text(feature, "description").split())
                yield features.get("type") or "", _text(feature, "form"), description or None


def _formats(capability: etree._Element) -> Iterable[OfferedFormat]:
    for each in capability.iter("{*}outputFormat"):
        aliases = tuple((alias.text or "").strip() for alias in each.iter("{*}alias"))
        yield OfferedFormat(mime=_text(each, "mime"), aliases=aliases, ivo_id=each.get("ivo-id"))


def _text(element: etree._Element, child: str) -> str:
    found = element.find(f"{{*}}{child}")
    return "" if found is None else (found.text or "").strip()
