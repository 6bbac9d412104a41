"""How tables in files are read, apart from what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tap_proxy.own.reading import open_file

ROWS, GROUPS = 100_000, 12


def test_of_a_parquet_file_no_more_is_kept_however_long_it_is(tmp_path: Path) -> None:
    path, random = tmp_path / "large.parquet", np.random.default_rng(1)
    with pq.ParquetWriter(path, pa.schema([("x", pa.float64())]), compression="none") as writer:
        for _ in range(GROUPS):
            writer.write_table(pa.table({"x": random.uniform(size=ROWS)}))
    before, grown = pa.total_allocated_bytes(), 0
    for _ in open_file(path).batches:
        grown = max(grown, pa.total_allocated_bytes() - before)
    assert grown < path.stat().st_size / 2
