"""What the registry says of itself (RegistryInterface 1.1 s3.1.5)."""

from __future__ import annotations

from penstock.regext import Capability, Harvest, Interface
from penstock.vosi import vosi_capabilities

STANDARD_ID = "ivo://ivoa.net/std/Registry"
TITLE = "Registry"
TEXT = "A publishing registry: descriptions of the services of this deployment, harvested over OAI-PMH."


def capabilities(base_url: str, max_records: int) -> tuple[Capability, ...]:
    """Return the capabilities of the service at a base URL (no slash at its end).

    `max_records` is the size of a page.
    """
    harvest = Capability(
        standard_id=STANDARD_ID,
        interfaces=(Interface(access_url=f"{base_url}/oai", type="vg:OAIHTTP", use="base", role="std", version="1.0"),),
        extension=Harvest(max_records=max_records),
    )
    return (*vosi_capabilities(base_url), harvest)
