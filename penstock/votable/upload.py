"""What the parts of the upload reader share: limits, columns and the error that names a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.dali.errors import UsageError

if TYPE_CHECKING:
    from penstock.votable.model import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """How much an upload may hold; `max_cell_bytes` bounds one value."""

    max_bytes: int = 100 << 20
    max_rows: int = 1_000_000
    max_columns: int = 1000
    max_cell_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadColumn:
    """A column of an upload and the number that stands for null in it, as it is written (VOTable 1.5 s4.7)."""

    field: Field
    null: str | None = None


def fault(line: int, problem: str) -> UsageError:
    """Return the error that names the line of an upload."""
    return UsageError(f"The uploaded VOTable is wrong at line {line}: {problem}.")
