"""The tables of a lake: what each column means, said once, for queries and for the code that stores.

``ivoa.obscore`` and ``lake.{files,replicas,sites,rejected}`` are offered to TAP. Columns that are declared in
`Catalogue.of` only are not, and neither are the other tables: where a file lies on the disks of this host, or who
stages what, is nobody's business.

Instants are text in ISO 8601 on both engines, which sorts as time does and is what DALI writes (DALI 1.2 s3.1.2).
"""

# ruff: noqa: E501  (a table reads best with a row on a line)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from penstock.db import Dialect, Namespace
from penstock.lake.obscore import OBSCORE
from penstock.lake.obsplan import OBSPLAN
from penstock.tables import Column, ForeignKey, Schema, Table
from penstock.votable.model import Datatype


def _column(name: str, datatype: Datatype, ucd: str, description: str, **more: object) -> Column:
    arraysize = "*" if datatype in ("char", "unicodeChar") else None
    return Column(name=name, datatype=datatype, arraysize=arraysize, ucd=ucd, description=description, **more)  # type: ignore[arg-type]  # members of Column


FILES = Table(
    name="files",
    columns=(
        _column("did", "unicodeChar", "meta.id;meta.main", "Data identifier scope:name", indexed=True, principal=True, nullable=False),
        _column("scope", "unicodeChar", "meta.id.parent", "Scope of the identifier", indexed=True, nullable=False),
        _column("name", "unicodeChar", "meta.id;meta.file", "Name of the file in its scope", nullable=False),
        _column("size_bytes", "long", "phys.size;meta.file", "Size of the file", unit="byte", principal=True),
        _column("adler32", "char", "meta.checksum", "Adler-32 checksum in hexadecimal"),
        _column("md5", "char", "meta.checksum", "MD5 checksum in hexadecimal"),
        _column("media_type", "char", "meta.code.mime", "Media type of the file", nullable=False),
        _column("public_from", "char", "time.release", "When the file becomes public; NULL if it is", xtype="timestamp"),
    ),
    description="Files of the data lake",
)  # fmt: skip

SITES = Table(
    name="sites",
    columns=(
        _column("name", "unicodeChar", "meta.id;meta.main", "Name of the site", indexed=True, principal=True, nullable=False),
        _column("title", "unicodeChar", "meta.title", "The site for people"),
        _column("latitude_deg", "double", "pos.earth.lat", "Geographic latitude, north positive", unit="deg"),
        _column("longitude_deg", "double", "pos.earth.lon", "Geographic longitude, east positive", unit="deg"),
        _column("medium", "char", "meta.code", "What the site stores on: DISK or TAPE", nullable=False),
    ),
    description="Storage sites of the data lake",
)  # fmt: skip

REPLICAS = Table(
    name="replicas",
    columns=(
        _column("did", "unicodeChar", "meta.id;meta.main", "The file", indexed=True, principal=True, nullable=False),
        _column("site", "unicodeChar", "meta.id", "The site that holds this copy", indexed=True, principal=True, nullable=False),
        _column("state", "char", "meta.code.status", "Whether the copy can be read: AVAILABLE or UNAVAILABLE", principal=True, nullable=False),
        _column("url", "char", "meta.ref.url", "Where the copy can be fetched from its site; NULL if only DataLink leads to it"),
    ),
    description="Copies of files at sites",
    foreign_keys=(
        ForeignKey(target_table="lake.files", pairs=(("did", "did"),), description="The file that this is a copy of"),
        ForeignKey(target_table="lake.sites", pairs=(("site", "name"),), description="The site that holds the copy"),
    ),
)  # fmt: skip

REJECTED = Table(
    name="rejected",
    columns=(
        _column("did", "unicodeChar", "meta.id;meta.main", "The file", indexed=True, principal=True, nullable=False),
        _column("column_name", "char", "meta.id", "The column of ivoa.obscore that has no value because of this", principal=True, nullable=False),
        _column("scope", "unicodeChar", "meta.id.parent", "Scope of the file", indexed=True, nullable=False),
        _column("reason", "unicodeChar", "meta.note", "What is wrong with the metadata of the file", principal=True, nullable=False),
        _column("in_obscore", "int", "meta.code", "1 if the file has a row in ivoa.obscore without this value, 0 if it has none", principal=True, nullable=False),
        _column("found_at", "char", "time", "When this was found", xtype="timestamp", nullable=False),
    ),
    description="Metadata of files that could not become values of ivoa.obscore, and why",
    foreign_keys=(
        ForeignKey(target_table="lake.files", pairs=(("did", "did"),), description="The file that the metadata are of"),
    ),
)  # fmt: skip

SCHEMAS: tuple[Schema, ...] = (
    Schema(name="ivoa", tables=(OBSCORE, OBSPLAN), description="Tables that IVOA standards define"),
    Schema(
        name="lake",
        tables=(FILES, REPLICAS, SITES, REJECTED),
        description="The data lake: files, their copies, and the sites that hold them",
    ),
)

_KEYS = {
    "obscore": ("lake_did",),
    "files": ("did",),
    "replicas": ("did", "site"),
    "sites": ("name",),
    "rejected": ("did", "column_name"),
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables of a lake in one SQL dialect.

    `marks` are small facts about the whole: which authority the identifiers are of, whether the sample was placed, how
    far harvests are. `rules` and `rule_files` are stagings in a lake that keeps its own.
    """

    obscore: sa.Table
    files: sa.Table
    replicas: sa.Table
    sites: sa.Table
    rejected: sa.Table
    marks: sa.Table
    rules: sa.Table
    rule_files: sa.Table

    @classmethod
    @cache
    def of(cls, dialect: Dialect) -> Catalogue:
        """Declare the tables for a dialect."""
        ivoa, lake = Namespace.of(dialect, "ivoa"), Namespace.of(dialect, "lake")
        files, sites = _declare(lake, FILES, sa.Column("metadata", sa.Text)), _declare(lake, SITES)
        replicas = _declare(
            lake,
            REPLICAS,
            sa.Column("path", sa.Text),
            sa.Column("modified_ns", sa.BigInteger),
        )
        marks = lake.table("marks", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
        rules = lake.table(
            "rules",
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("site", sa.Text, nullable=False),
            sa.Column("owner", sa.Text),
            sa.Column("fingerprint", sa.Text, nullable=False),
            sa.Column("expires", sa.Text),
        )
        rule_files = lake.table(
            "rule_files",
            sa.Column("rule", sa.Text, sa.ForeignKey(rules.c.id), primary_key=True),
            sa.Column("did", sa.Text, primary_key=True),
            sa.Column("size_bytes", sa.BigInteger, nullable=False),
            sa.Column("state", sa.Text, nullable=False),
            sa.Column("reason", sa.Text),
        )
        catalogue = cls(
            obscore=_declare(ivoa, OBSCORE),
            files=files,
            replicas=replicas,
            sites=sites,
            rejected=_declare(lake, REJECTED, keys_enforced=False),
            marks=marks,
            rules=rules,
            rule_files=rule_files,
        )
        catalogue._index()
        return catalogue

    def _index(self) -> None:
        o, f, r = self.obscore.c, self.files.c, self.replicas.c
        sa.Index("ivoa_obscore_publisher_did", o.obs_publisher_did, unique=True)
        sa.Index("ivoa_obscore_position", o.s_dec, o.s_ra)
        sa.Index("ivoa_obscore_ra", o.s_ra)
        sa.Index("ivoa_obscore_collection", o.obs_collection)
        sa.Index("ivoa_obscore_time", o.t_min)
        sa.Index("ivoa_obscore_energy", o.em_min)
        sa.Index("ivoa_obscore_observation", o.obs_collection, o.obs_id, o.lake_did)
        sa.Index("lake_files_name", f.scope, f.name, unique=True)
        sa.Index("lake_replicas_site", r.site)
        sa.Index("lake_replicas_path", r.path)
        sa.Index("lake_rejected_scope", self.rejected.c.scope)
        sa.Index("lake_rule_files_did", self.rule_files.c.did)


def _declare(ns: Namespace, table: Table, *private: sa.Column[Any], keys_enforced: bool = True) -> sa.Table:
    """Make the SQL table of a description; keys to other namespaces are described and not enforced."""
    keys = _KEYS[table.name]
    columns = [
        sa.Column(column.name, _sql_type(column), primary_key=column.name in keys, nullable=column.nullable)
        for column in table.columns
    ]
    own = f"{ns.schema}."
    constraints = [
        sa.ForeignKeyConstraint(
            [source for source, _ in key.pairs],
            [ns.reference(key.target_table.removeprefix(own), target) for _, target in key.pairs],
        )
        for key in table.foreign_keys
        if keys_enforced and key.target_table.startswith(own)
    ]
    return ns.table(table.name, *columns, *private, *constraints)


_SQL_TYPES: Mapping[Datatype, type[TypeEngine[Any]]] = {
    "char": sa.Text,
    "unicodeChar": sa.Text,
    "int": sa.Integer,
    "long": sa.BigInteger,
    "double": sa.Double,
}


def _sql_type(column: Column) -> TypeEngine[Any]:
    return _SQL_TYPES[column.datatype]()
