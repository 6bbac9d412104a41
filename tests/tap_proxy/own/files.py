"""One small table in every format that can be added, with the metadata that the format has a place for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table

IDS = [1, 2, 2**53 + 1]
RA = [10.5, 359.99, 0.01]
DEC = [-89.5, 0.0, 45.25]
NAMES = ["M 31", 'quoted "name"', "Ångström, π"]
MAG = [12.5, None, 9.25]  # NaN or null in files
FLAG = [True, False, True]
FLUX = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def as_fits(folder: Path) -> Path:
    columns = [
        fits.Column("id", "K", array=IDS),
        fits.Column("ra", "D", unit="deg", array=RA),
        fits.Column("dec", "D", unit="deg", array=DEC),
        fits.Column("name", "20A", array=[name.encode("ascii", "replace").decode() for name in NAMES]),
        fits.Column("mag", "E", unit="mag", array=np.array([12.5, np.nan, 9.25], "f4")),
        fits.Column("flag", "L", array=FLAG),
        fits.Column("flux", "2D", unit="Jy", array=np.array(FLUX)),
    ]
    unit = fits.BinTableHDU.from_columns(columns, name="STARS")
    unit.header["TUCD1"], unit.header["TCOMM5"] = "meta.id;meta.main", "visual magnitude"
    unit.writeto(folder / "stars.fits")
    return folder / "stars.fits"


def as_votable(folder: Path) -> Path:
    table = Table({"id": IDS, "ra": RA, "dec": DEC, "name": NAMES, "flag": FLAG, "flux": np.array(FLUX)})
    table.add_column(MaskedColumn([12.5, 0, 9.25], mask=[False, True, False], dtype="f4", unit="mag"), 4, name="mag")
    table["ra"].unit = table["dec"].unit = "deg"
    table["flux"].unit = "Jy"
    document = from_table(table)
    found = document.get_first_table().get_field_by_id("id")
    found.ucd = "meta.id;meta.main"
    document.get_first_table().get_field_by_id("mag").description = "visual magnitude"
    writeto(document, str(folder / "stars.vot"))
    return folder / "stars.vot"


def as_parquet(folder: Path) -> Path:
    def field(name: str, kind: pa.DataType, **told: str) -> pa.Field[pa.DataType]:
        return pa.field(name, kind, metadata=told)

    schema = pa.schema(
        [
            field("id", pa.int64(), ucd="meta.id;meta.main"),
            field("ra", pa.float64(), unit="deg"),
            field("dec", pa.float64(), unit="deg"),
            field("name", pa.string()),
            field("mag", pa.float32(), unit="mag", description="visual magnitude"),
            field("flag", pa.bool_()),
            field("flux", pa.list_(pa.float64()), unit="Jy"),
        ]
    )
    pq.write_table(pa.table([IDS, RA, DEC, NAMES, MAG, FLAG, FLUX], schema=schema), folder / "stars.parquet")
    return folder / "stars.parquet"


def as_csv(folder: Path) -> Path:
    lines = ["id,ra,dec,name,mag,flag"]
    for row in zip(IDS, RA, DEC, NAMES, MAG, FLAG, strict=True):
        quoted = '"' + row[3].replace('"', '""') + '"'
        mag = "" if row[4] is None else row[4]
        lines.append(f"{row[0]},{row[1]},{row[2]},{quoted},{mag},{str(row[5]).lower()}")
    (folder / "stars.csv").write_text("\n".join(lines) + "\n")
    return folder / "stars.csv"


def as_sqlite(folder: Path) -> str:
    path = folder / "elsewhere.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE stars (id INTEGER, ra REAL, dec REAL, name TEXT, mag REAL)")
        connection.executemany("INSERT INTO stars VALUES (?, ?, ?, ?, ?)", zip(IDS, RA, DEC, NAMES, MAG, strict=True))
    connection.close()
    return f"sqlite:///{path}#stars"


SOURCES: Mapping[str, Callable[[Path], Path | str]] = {
    "fits": as_fits,
    "votable": as_votable,
    "parquet": as_parquet,
    "csv": as_csv,
    "sqlite": as_sqlite,
}
