"""The XML of an upload, as a stream of events that never becomes a tree.

Uploads are hostile until proven otherwise, and a tree multiplies their size: a million empty elements of four bytes
take a hundred times that as objects. So expat's events feed a small automaton that keeps only the fields and the rows
that were not fetched yet, and refuses at once what no VOTable needs: a document type declaration (and with it every
entity and external reference), deep nesting, one tag of a megabyte, a cell beyond the limit.
Names are taken without their namespace: VOTable had one of its own per version up to 1.3, and documents without any
or with the wrong one are common.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args
from xml.parsers import expat

from penstock.dali.errors import TooLarge, UsageError
from penstock.votable.datatypes import PRIMITIVES, shape_of
from penstock.votable.model import Datatype, Field
from penstock.votable.read_rows import RowScanner
from penstock.votable.upload import ReadColumn, UploadLimits, fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

_MAX_DEPTH = 64
_MAX_TAG_BYTES = 1 << 20
_DATATYPES: frozenset[str] = frozenset(get_args(Datatype))
_SERIALIZATIONS = frozenset({"TABLEDATA", "BINARY", "BINARY2"})
_TEXT_HOLDERS = frozenset({("FIELD", "DESCRIPTION"), ("RESOURCE", "INFO"), ("VOTABLE", "INFO")})


class Scanner:
    """Takes a VOTable in pieces of any size and hands out its first table.

    Once `serialization` is not None, `columns` is final. `rows` (TABLEDATA) or `base64` (BINARY, BINARY2) gather what
    was read since the caller last emptied them. `overflowed` tells that QUERY_STATUS said OVERFLOW (DALI 1.2 s5.4.1).
    """

    def __init__(self, limits: UploadLimits) -> None:
        self.columns: list[ReadColumn] = []
        self.serialization: str | None = None
        self.base64: list[str] = []
        self.overflowed = False
        self._limits = limits
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._text_length = 0
        self._streaming = False
        self._in_first_table = False
        self._failed_query = False
        self._fed = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._listen()
        self.rows = RowScanner(self._parser, "", limits, self._end_rows)

    @property
    def line(self) -> int:
        """The line that is being read."""
        return self._parser.CurrentLineNumber

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Read on.

        Raises
        ------
        UsageError
            The document is not a VOTable that can be read; the message names the line.
        """
        self._fed += len(data)
        if self._fed > self._limits.max_bytes:
            raise TooLarge(f"The uploaded VOTable is larger than {self._limits.max_bytes} bytes.")
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            advice = "" if self._path else "; tables are sent as VOTable, not compressed"
            raise fault(error.lineno, f"this is not XML: {expat.ErrorString(error.code)}{advice}") from error
        except (ValueError, LookupError) as error:
            raise fault(self.line, f"the encoding cannot be read: {error}") from error
        if self._fed - self._parser.CurrentByteIndex > _MAX_TAG_BYTES:
            raise fault(self.line, f"one tag is longer than {_MAX_TAG_BYTES} bytes")
        if final and self.serialization is None:
            raise UsageError("The uploaded VOTable holds no TABLE.")

    def _listen(self, rows: RowScanner | None = None) -> None:
        self._parser.StartElementHandler = rows.start if rows else self._start
        self._parser.EndElementHandler = rows.end if rows else self._end
        self._parser.CharacterDataHandler = rows.characters if rows else self._characters

    def _end_rows(self, name: str) -> None:
        self._listen()
        self._end(name)

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise fault(self.line, "a document type declaration is not accepted, remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        prefix, colon, name = name.rpartition(":")
        parent = self._path[-1] if self._path else None
        self._path.append(name)
        if parent is None and name != "VOTABLE":
            raise fault(self.line, f"the outermost element is {name}, not VOTABLE")
        if len(self._path) > _MAX_DEPTH:
            raise fault(self.line, f"elements are nested more than {_MAX_DEPTH} deep")
        if (parent, name) in _TEXT_HOLDERS:
            self._text, self._text_length = [], 0
        if name == "TABLE" and self.serialization is None:
            self._in_first_table = True
        elif name == "INFO":
            status = attributes.get("value") if attributes.get("name") == "QUERY_STATUS" else None
            self._failed_query = status == "ERROR"
            self.overflowed = self.overflowed or status == "OVERFLOW"
        if self._in_first_table:
            self._start_in_table(name, parent, attributes)
            if (parent, name) == ("DATA", "TABLEDATA"):
                self.rows = RowScanner(self._parser, prefix + colon, self._limits, self._end_rows)
                self._listen(self.rows)

    def _start_in_table(self, name: str, parent: str | None, attributes: Mapping[str, str]) -> None:
        match (parent, name):
            case ("TABLE", "FIELD"):
                self._add_column(attributes)
            case ("FIELD", "VALUES") if attributes.get("null"):
                self.columns[-1] = replace(self.columns[-1], null=attributes["null"].strip())
            case ("DATA", "FITS"):
                raise fault(self.line, "rows in FITS are not supported, use TABLEDATA, BINARY or BINARY2")
            case ("DATA", _) if name in _SERIALIZATIONS:
                self._begin_rows(name)
            case (("BINARY" | "BINARY2"), "STREAM"):
                self._begin_stream(attributes)
            case _:
                pass

    def _end(self, _: str) -> None:
        name = self._path.pop()
        text = None
        if self._text is not None and (self._path[-1], name) in _TEXT_HOLDERS:
            text, self._text = "".join(self._text), None
        if name == "INFO" and self._failed_query:
            raise UsageError(f"The uploaded VOTable is the report of an error, not a table: {text or 'no message'}")
        if not self._in_first_table:
            return
        match name:
            case "DESCRIPTION" if text is not None and self.columns:
                column = self.columns[-1]
                self.columns[-1] = replace(column, field=replace(column.field, description=" ".join(text.split())))
            case "STREAM":
                self._streaming = False
            case "TABLE":
                if self.serialization is None:
                    self._begin_rows("TABLEDATA")
                self._in_first_table = False
            case _:
                pass

    def _characters(self, data: str) -> None:
        if self._text is not None:
            self._text_length += len(data)
            if self._text_length > self._limits.max_cell_bytes:
                raise fault(self.line, f"a text is longer than {self._limits.max_cell_bytes} bytes")
            self._text.append(data)
        elif self._streaming:
            self.base64.append(data)

    def _add_column(self, attributes: Mapping[str, str]) -> None:
        if len(self.columns) == self._limits.max_columns:
            raise TooLarge(f"The uploaded VOTable has more than {self._limits.max_columns} columns.")
        try:
            field = _field(attributes, len(self.columns) + 1, self._limits)
        except ValueError as error:
            raise fault(self.line, str(error)) from error
        self.columns.append(ReadColumn(field=field))

    def _begin_rows(self, serialization: str) -> None:
        if self.serialization is not None:
            raise fault(self.line, "a TABLE has one DATA with one serialization")
        if not self.columns:
            raise fault(self.line, "the TABLE has no FIELD")
        self.serialization = serialization

    def _begin_stream(self, attributes: Mapping[str, str]) -> None:
        if attributes.get("href"):
            raise fault(self.line, "rows outside of the document (href) are not fetched, put them inside as base64")
        if attributes.get("encoding", "base64") != "base64":
            raise fault(self.line, f"STREAM encoding {attributes['encoding']!r} is not supported, use base64")
        self._streaming = True


def _field(attributes: Mapping[str, str], number: int, limits: UploadLimits) -> Field:
    name = (attributes.get("name") or attributes.get("ID") or "").strip()
    if not name:
        raise ValueError(f"FIELD {number} has no name")
    datatype = attributes.get("datatype", "").strip()
    if datatype not in _DATATYPES:
        advice = '; text is datatype="char" arraysize="*"' if datatype.lower() in {"", "string", "text", "str"} else ""
        raise ValueError(f"FIELD {name!r} has datatype {datatype!r}, which VOTable does not know{advice}")
    field = Field(
        name=name,
        datatype=datatype,  # type: ignore[arg-type]  # just found among the datatypes
        arraysize=attributes.get("arraysize", "").strip() or None,
        **{key: attributes[key].strip() or None for key in ("xtype", "unit", "ucd", "utype") if key in attributes},
        id=attributes.get("ID"),
    )
    primitive = PRIMITIVES[field.datatype]
    if shape_of(field.arraysize).unit * primitive.parts * primitive.wire.itemsize > limits.max_cell_bytes:
        raise ValueError(f"FIELD {name!r} has cells of more than {limits.max_cell_bytes} bytes")
    return field
