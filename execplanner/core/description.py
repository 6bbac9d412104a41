"""What the planner says of itself.

No IVOA standard has an identifier for these interfaces yet; ours live under the deployment's own authority.
"""

from __future__ import annotations

from penstock.regext import Capability, InputParam, Interface
from penstock.vosi import vosi_capabilities

TITLE = "Execution Planner"
TEXT = "Tells whether and where a computing task can run: the interface of the IVOA Execution Planner note."
ACCEPTS_KEY = "#accepts-1.0"


def capabilities(
    base_url: str, standard_id: str, *, security_methods: tuple[str | None, ...] = ()
) -> tuple[Capability, ...]:
    """Return the capabilities of the service at a base URL (no slash at its end); `standard_id` is without key."""
    accepts = Capability(
        standard_id=f"{standard_id}{ACCEPTS_KEY}",
        interfaces=(
            Interface(
                access_url=f"{base_url}/accepts",
                use="base",
                role="std",
                version="1.0",
                security_methods=security_methods,
                query_types=("GET", "POST"),
                result_type="application/json",
                params=(
                    InputParam(name="tasktype", description="The kind of task", use="required"),
                    InputParam(name="RESPONSEFORMAT", description="json, yaml or xml"),
                ),
            ),
        ),
    )
    return (*vosi_capabilities(base_url), accepts)
