"""Tables that come with a query: how UPLOAD names them, what may stand in them (TAP 1.1 s2.7.6, DALI 1.2 s4.3.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters, Part
from penstock.dali.values import Upload, uploads
from penstock.tables import Column, Schema, Table
from penstock.votable.model import Field

TAP_UPLOAD = "TAP_UPLOAD"


@dataclass(frozen=True, slots=True)
class Basket:
    """A basket of the caller's; what is in it comes as a table."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOrder:
    """A table to read: `source` is a part of the request, the name of a basket, or a URL to fetch."""

    name: str
    source: Part | Basket | str


def read_orders(params: Parameters) -> tuple[UploadOrder, ...]:
    """Read every UPLOAD of a request; repeated ones add up.

    Raises
    ------
    UsageError
        One is not ``name,URI``, names no table of its own, or refers to a part that did not come.
    """
    return tuple(UploadOrder(name=upload.name, source=_source(upload, params)) for upload in uploads(params))


def _source(upload: Upload, params: Parameters) -> Part | Basket | str:
    scheme, _, rest = upload.uri.partition(":")
    match scheme.lower():
        case "param":
            part = params.part(rest)
            if part is None:
                raise UsageError(f"UPLOAD {upload.name!r}: the request has no part called {rest[:40]!r}.")
            return part
        case "basket":
            return Basket(rest)
        case "http" | "https":
            return upload.uri
        case _:
            raise UsageError(f"UPLOAD {upload.name!r}: tables are taken from param:, basket:, http: and https: URIs.")


def upload_schema(tables: Iterator[tuple[str, tuple[Field, ...]]]) -> Schema:
    """Return the schema in which queries find the tables.

    Raises
    ------
    UsageError
        A table has no columns, or columns that a query could not tell apart.
    """
    return Schema(name=TAP_UPLOAD, tables=tuple(_table(name, fields) for name, fields in tables))


def _table(name: str, fields: tuple[Field, ...]) -> Table:
    names = [field.name.lower() for field in fields]
    if not names:
        raise UsageError(f"The uploaded table {name!r} has no columns.")
    for field in fields:
        if not field.name.strip() or names.count(field.name.lower()) > 1:
            raise UsageError(f"The uploaded table {name!r}: two columns, or none, are called {field.name[:60]!r}.")
    return Table(name=name, columns=tuple(map(column_of, fields)))


def column_of(field: Field) -> Column:
    """Return the column that a field of a VOTable becomes."""
    arraysize = None if field.arraysize == "1" else field.arraysize  # the same, and deprecated (VOTable 1.3 erratum 3)
    return Column(**(asdict(field) | {"id": None, "arraysize": arraysize}))
