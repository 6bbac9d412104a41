"""The settings of the baskets."""

from __future__ import annotations

from pydantic import Field

from penstock.settings import Section


class BasketSettings(Section):
    """``PENSTOCK_BASKET__...``, ``[basket]``."""

    max_baskets: int = Field(100, ge=1, description="How many baskets one user may have")
    max_items: int = Field(10_000, ge=1, description="How many items a basket may have")
    anonymous_days: float = Field(
        30.0, gt=0, description="Days after its last change when the basket of an anonymous caller may be removed"
    )
