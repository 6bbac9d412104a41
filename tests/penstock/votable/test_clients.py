"""What others read in our documents: astropy, pyvo, STILTS and the official schemas."""

from __future__ import annotations

import io
import math
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from astropy.io.votable import parse
from astropy.utils.exceptions import AstropyWarning
from hypothesis import assume, given, settings
from lxml import etree
from pyvo.dal import DALQueryError, TAPResults

from penstock.votable.document import QueryStatus, Serialization, Version, error_document
from penstock.votable.model import Field
from tests.penstock.votable import strategies
from tests.penstock.votable.builders import INF, NAN, a_field, text_field, written
from tests.penstock.votable.test_document import RICH, ROWS
from tests.support.systems import require_shared, require_stilts

both = pytest.mark.parametrize("serialization", list(Serialization))
versions = pytest.mark.parametrize("version", get_args(Version))
OBSCORE = (
    (text_field("obs_id"), ["a<&>", "", "Žižkov 𝄞", None]),
    (a_field("int", name="calib_level"), [1, -(2**31), 2**31 - 1, None]),
    (a_field("long", name="access_estsize"), [2**53 + 1, -(2**63), 0, None]),
    (a_field("double", name="s_ra"), [0.1, NAN, -INF, None]),
    (a_field("float", name="s_fov"), [0.5, -1.25, INF, None]),
    (a_field("short", name="short"), [-1, 0, 1, None]),
    (a_field("unsignedByte", name="byte"), [0, 128, 255, None]),
    (a_field("boolean", name="flag"), [True, False, True, None]),
    (a_field("char", "3", "band"), ["abc", "x", "yz", None]),
    (a_field("unicodeChar", "*", "title"), ["é", "", "星", None]),
    (a_field("double", "*", "polygon"), [[1.5, 2.5], [NAN, 0.0], [3.0], None]),
    (a_field("int", "4*", "few"), [[1, 2], [1, 2, 3, 4], [5], None]),
    (a_field("double", "2", "point"), [[1.5, 2.5], [INF, 0.0], [-1.0, 1.0], [0.0, 0.0]]),
)
FIELDS = tuple(field for field, _ in OBSCORE)
VALUES = list(zip(*(column for _, column in OBSCORE), strict=True))
# In binary, astropy 8.0 reads ASCII alone in `char` and STIL 4.1 Latin-1; both read UTF-8 in TABLEDATA.
ASCII_VALUES = [("".join(filter(str.isascii, row[0] or "")), *row[1:]) for row in VALUES]


def seen_by_astropy(document: bytes) -> list[list[object]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        table = parse(io.BytesIO(document), verify="exception").get_first_table()
    return [[plain(row[name]) for name in table.array.dtype.names] for row in table.array]


def plain(value: object) -> object:
    if value is np.ma.masked:
        return None
    if isinstance(value, np.ndarray):
        items = np.ma.getdata(value).ravel()
        if items.dtype.kind == "c":
            items = items.view(f"f{items.dtype.itemsize // 2}")
        return [plain(item) for item in items.tolist()]
    if isinstance(value, complex | np.complexfloating):
        return [float(value.real), float(value.imag)]
    return value.item() if isinstance(value, np.generic) else value


def comparable(value: object, field: Field) -> object:
    """Forget what astropy does not tell apart: null, NaN, half a complex NaN, an empty array, blanks around a text."""
    if isinstance(value, list):
        items = [comparable(item, field) for item in value]
        return None if None in items else items or None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float) and math.isnan(value):
        return None
    # In variable arrays astropy keeps more digits than a float has.
    return float(np.float32(value)) if isinstance(value, float) and field.datatype.startswith("float") else value


def comparable_rows(rows: Sequence[Sequence[object]], fields: Sequence[Field]) -> list[list[object]]:
    return [[comparable(value, field) for value, field in zip(row, fields, strict=True)] for row in rows]


@both
def test_astropy_reads_the_values(serialization):
    values = VALUES if serialization is Serialization.TABLEDATA else ASCII_VALUES
    seen = seen_by_astropy(written(serialization, FIELDS, values))
    assert comparable_rows(seen, FIELDS) == comparable_rows(values, FIELDS)


@both
@settings(deadline=None, max_examples=80)
@given(table=strategies.tables(nulls=False))
def test_astropy_reads_any_table(serialization, table):
    fields, rows = table
    if serialization is Serialization.BINARY2:
        kept = [index for index, field in enumerate(fields) if not misread(field)]
        assume(kept)
        fields, rows = [fields[index] for index in kept], [[row[index] for index in kept] for row in rows]
    seen = seen_by_astropy(written(serialization, fields, rows))
    assert comparable_rows(seen, fields) == comparable_rows(rows, fields)


def misread(field: Field) -> bool:
    """Say whether astropy 8.0 reads other values than BINARY2 holds.

    It counts the last dimension of an array where the standard counts primitives (VOTable 1.5 s5.3), takes a whole byte
    for a bit of a variable array, looks at the fourth bit for a scalar one (s6), and reads ASCII alone as `char`.
    """
    return (
        field.arraysize == "2x*"
        or (field.datatype == "bit" and field.arraysize in {None, "*", "4*"})
        or (field.datatype == "char" and field.arraysize == "*")
    )


@both
def test_pyvo_reads_a_result(serialization):
    result = TAPResults(parse(io.BytesIO(written(serialization, RICH.fields, ROWS, RICH))))
    assert result.status[0] == "OK"
    assert [record["obs_publisher_did"] for record in result] == [row[0] for row in ROWS]
    assert [service.ID for service in result.iter_adhocservices()] == ["cutout"]


@both
def test_pyvo_sees_the_overflow_after_the_rows(serialization):
    result = TAPResults(parse(io.BytesIO(written(serialization, RICH.fields, ROWS, RICH, QueryStatus.OVERFLOW))))
    assert result.status[0] == "OVERFLOW"


def test_pyvo_raises_the_message_of_an_error_document():
    with pytest.raises(DALQueryError, match="unknown table"):
        TAPResults(parse(io.BytesIO(error_document("unknown table"))))


@versions
@both
@pytest.mark.parametrize("status", list(QueryStatus))
def test_documents_are_valid(version, serialization, status):
    schema = etree.XMLSchema(etree.parse(require_shared("xsd", f"VOTable-{version}.xsd")))
    document = replace(RICH, version=version)
    schema.assertValid(etree.fromstring(written(serialization, RICH.fields, ROWS, document, status)))
    schema.assertValid(
        etree.fromstring(written(serialization, FIELDS, VALUES)) if version == "1.4" else _empty(version)
    )


def _empty(version: Version) -> etree._Element:
    return etree.fromstring(error_document("nothing", version=version))


@both
@pytest.mark.parametrize("version", ["1.3", "1.4"])  # the STILTS of Debian does not know 1.5
def test_votlint_finds_nothing(serialization, version, tmp_path):
    stilts = require_stilts()
    file = tmp_path / "table.vot"
    document = replace(RICH, version=version)
    file.write_bytes(written(serialization, RICH.fields, ROWS, document, QueryStatus.OVERFLOW))
    done = subprocess.run([stilts, "votlint", str(file)], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_stilts_reads_the_same_from_both_serializations(tmp_path):
    stilts = require_stilts()
    outputs = []
    for serialization in Serialization:
        file = tmp_path / f"{serialization}.vot"
        file.write_bytes(written(serialization, FIELDS, ASCII_VALUES))
        command = [stilts, "-Dfile.encoding=UTF-8", "tpipe", f"in={file}", "ofmt=csv"]
        outputs.append(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == len(VALUES) + 1
