"""How to make jobs that succeed or fail, and which identifiers exist: what a black box cannot know by itself.

A profile is a TOML file::

    [succeed]                # a job that ends in COMPLETED within a minute
    JOBTYPE = "echo"
    [fail]                   # a job that ends in ERROR
    JOBTYPE = "fail"
    [datalink]
    id = "ivo://example.org/data?1"
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

QUERY = "SELECT TOP 1 table_name FROM TAP_SCHEMA.tables"


class BadProfile(ValueError):
    """A profile that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Forms that make jobs. An empty `succeed` makes a job without parameters; without `fail` none is made to fail.

    `completes` says that the job of `succeed` is known to end in COMPLETED.
    """

    succeed: dict[str, str] = field(default_factory=dict)
    fail: dict[str, str] = field(default_factory=dict)
    completes: bool = False
    datalink_id: str = ""

    @classmethod
    def of_tap(cls) -> Self:
        """Return the profile of the job list of a TAP service, where a query makes a job."""
        return cls(
            succeed={"LANG": "ADQL", "QUERY": QUERY},
            fail={"LANG": "ADQL", "QUERY": "SELECT nothing FROM nowhere_at_all"},
            completes=True,
        )

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a profile.

        Raises
        ------
        BadProfile
            If there is no such file or it is not a profile.
        """
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadProfile(f"{file}: {error}") from error
        unknown = content.keys() - {"succeed", "fail", "datalink"}
        if unknown:
            raise BadProfile(f"{file}: there is no table {', '.join(sorted(unknown))}")
        succeed = _form(content.get("succeed", {}), file)
        return cls(
            succeed=succeed,
            fail=_form(content.get("fail", {}), file),
            completes=bool(succeed),
            datalink_id=_form(content.get("datalink", {}), file).get("id", ""),
        )


def _form(table: object, file: Path) -> dict[str, str]:
    if not isinstance(table, dict):
        raise BadProfile(f"{file}: a form is a TOML table")
    return {str(name): str(value) for name, value in table.items()}
