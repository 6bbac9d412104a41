"""Rows per second of the VOTable encoders, beside Arrow's own CSV writer on the same rows.

The rows are those of ObsCore: 30 columns, half of them text. Processor time, one core, best of three.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from penstock.votable import binary2, tabledata
from penstock.votable.datatypes import fields_schema
from penstock.votable.document import Document, Serialization
from penstock.votable.model import Datatype, Field
from penstock.votable.stream import VOTableWriter

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 200_000
BATCH_ROWS = 10_000
NAMES: tuple[tuple[str, Datatype], ...] = (
    ("dataproduct_type", "char"),
    ("calib_level", "int"),
    ("obs_collection", "char"),
    ("obs_id", "char"),
    ("obs_publisher_did", "char"),
    ("access_url", "char"),
    ("access_format", "char"),
    ("access_estsize", "long"),
    ("target_name", "char"),
    ("s_ra", "double"),
    ("s_dec", "double"),
    ("s_fov", "double"),
    ("s_region", "char"),
    ("s_resolution", "double"),
    ("s_xel1", "long"),
    ("s_xel2", "long"),
    ("t_min", "double"),
    ("t_max", "double"),
    ("t_exptime", "double"),
    ("t_resolution", "double"),
    ("t_xel", "long"),
    ("em_min", "double"),
    ("em_max", "double"),
    ("em_res_power", "double"),
    ("em_xel", "long"),
    ("o_ucd", "char"),
    ("pol_states", "char"),
    ("pol_xel", "long"),
    ("facility_name", "char"),
    ("instrument_name", "char"),
)
FIELDS = tuple(
    Field(name=name, datatype=datatype, arraysize="*" if datatype == "char" else None) for name, datatype in NAMES
)


def column(field: Field, rng: np.random.Generator, start: int) -> pa.Array[Any]:
    """Make values as an archive has them: identifiers, positions with all their digits, gaps here and there."""
    rows = np.arange(start, start + BATCH_ROWS)
    gaps = rng.random(BATCH_ROWS) < (0.1 if field.name in {"s_resolution", "pol_states", "em_xel"} else 0)
    if field.datatype == "double":
        return pa.array(rng.uniform(0, 360, BATCH_ROWS), pa.float64(), mask=gaps)
    if field.datatype in {"int", "long"}:
        numbers = rng.integers(0, 5 if field.datatype == "int" else 100_000, BATCH_ROWS)
        whole: pa.Array[Any] = pa.array(numbers.astype(np.int32 if field.datatype == "int" else np.int64), mask=gaps)
        return whole
    texts = {
        "obs_id": [f"obs-{row:09d}" for row in rows],
        "obs_publisher_did": [f"ivo://penstock.example/lake?sample/obs-{row:09d}.fits" for row in rows],
        "access_url": [f"https://penstock.example/datalink/links?ID=ivo%3A//x&v={row:09d}" for row in rows],
        "s_region": [f"POLYGON ICRS {row / 999} 10.25 11.5 {row / 777} 12.75 -3.5 8.125 9.5" for row in rows],
    }.get(field.name, [f"{field.name} {row % 97}" for row in rows])
    return pa.array(texts, pa.string(), mask=gaps)


def batches(rows: int) -> list[pa.RecordBatch]:
    """Make `rows` rows in batches."""
    rng = np.random.default_rng(42)
    schema = fields_schema(FIELDS)
    return [
        pa.RecordBatch.from_arrays([column(field, rng, start) for field in FIELDS], schema=schema)
        for start in range(0, rows, BATCH_ROWS)
    ]


def write_csv(table: list[pa.RecordBatch]) -> int:
    """Write the floor: what Arrow's compiled CSV writer takes."""
    sink = io.BytesIO()
    for batch in table:
        pyarrow.csv.write_csv(batch, sink, pyarrow.csv.WriteOptions(include_header=False))
    return sink.tell()


def write_votable(serialization: Serialization) -> Callable[[list[pa.RecordBatch]], int]:
    """Return a writer of whole documents that forgets every piece at once, as a connection does."""

    def write(table: list[pa.RecordBatch]) -> int:
        writer = VOTableWriter(Document(fields=FIELDS), serialization)
        size = len(writer.begin())
        for batch in table:
            size += len(writer.rows(batch))
        return size + len(writer.end())

    return write


def measure(write: Callable[[list[pa.RecordBatch]], int], table: list[pa.RecordBatch]) -> tuple[float, int]:
    """Return the least processor time of three runs, in seconds, and the bytes written."""
    best, size = float("inf"), 0
    for _ in range(3):
        begun = time.process_time()
        size = write(table)
        best = min(best, time.process_time() - begun)
    return best, size


def main() -> None:
    """Print the table."""
    pa.set_cpu_count(1)
    table = batches(ROWS)
    writers: dict[str, Callable[[list[pa.RecordBatch]], int]] = {
        "CSV (pyarrow, the floor)": write_csv,
        "BINARY2 rows alone": lambda table: sum(len(binary2.encode(batch, FIELDS)) for batch in table),
        "BINARY2 document": write_votable(Serialization.BINARY2),
        "TABLEDATA rows alone": lambda table: sum(len(tabledata.encode(batch, FIELDS)) for batch in table),
        "TABLEDATA document": write_votable(Serialization.TABLEDATA),
    }
    floor = 0.0
    print(f"{ROWS} rows of {len(FIELDS)} columns in batches of {BATCH_ROWS}")
    print(f"{'writer':28}{'rows/s':>10}{'MB/s':>8}{'bytes/row':>11}{'of floor':>10}")
    for name, write in writers.items():
        seconds, size = measure(write, table)
        rate = ROWS / seconds
        floor = floor or rate
        print(f"{name:28}{rate:10.0f}{size / seconds / 1e6:8.0f}{size / ROWS:11.0f}{rate / floor:10.2f}")
