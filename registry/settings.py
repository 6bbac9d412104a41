"""Settings of the registry."""

from __future__ import annotations

from pydantic import Field

from penstock.settings import Section

_LINE = r"^[^\x00-\x1f\x7f\u{fffe}\u{ffff}]+$"  # what XML can hold, on one line


class RegistrySettings(Section):
    """``PENSTOCK_REGISTRY__...``, ``[registry]``: who answers for the records, and how they are handed out."""

    title: str = Field(
        "Penstock", pattern=_LINE, description="Name of the deployment, with which titles of records begin"
    )
    publisher: str = Field(
        "Penstock", pattern=_LINE, description="Who publishes the records, an organisation or project"
    )
    contact_name: str = Field("The operator", pattern=_LINE, description="Whom to ask about the services")
    contact_email: str | None = Field(
        None, pattern=r"^[!-~]+@[!-~]+$", description="Where to reach them; unset: postmaster at the authority"
    )
    page_size: int = Field(100, ge=1, le=10_000, description="How many records one OAI-PMH answer holds")
    token_lifetime_s: int = Field(86_400, ge=60, description="Seconds for which a resumption token is good")
