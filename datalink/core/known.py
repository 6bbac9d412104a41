"""What is known of a DID: what the lake says, and what ObsCore says of the observation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penstock.lake.port import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Columns of ObsCore 1.1 of one file, under their names there and in its units.

    `obs_release_date` is aware; `s_region` is STC-S.
    """

    dataproduct_type: str | None = None
    obs_release_date: datetime | None = None
    s_ra: float | None = None
    s_dec: float | None = None
    s_fov: float | None = None
    s_region: str | None = None
    t_min: float | None = None
    t_max: float | None = None
    em_min: float | None = None
    em_max: float | None = None
    pol_states: str | None = None


NOTHING = Observed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A DID of the lake with all that its links are made of."""

    entry: Entry
    observed: Observed = NOTHING

    @property
    def public_from(self) -> datetime | None:
        """The end of the embargo, the later one if lake and ObsCore do not agree; None if there is none."""
        lake, observed = self.entry.public_from, self.observed.obs_release_date
        return max(lake, observed) if lake and observed else lake or observed

    @property
    def product_type(self) -> str:
        """The kind of data product as ObsCore spells it; empty where nobody says."""
        return self.observed.dataproduct_type or self.entry.metadata.get("dataproduct_type", "")
