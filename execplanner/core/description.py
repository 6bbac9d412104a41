"""What the planner says of itself.

No IVOA standard has an identifier for these interfaces yet; ours live under the deployment's own authority.
"""

from __future__ import annotations

from penstock.regext import Capability, InputParam, Interface
from penstock.vosi import vosi_capabilities

TITLE = "Execution Planner"
TEXT = (
    "Tells whether, where and when a computing task can run, and runs it: the interface of the IVOA Execution Planner "
    "note and the Execution Broker."
)
ACCEPTS_KEY, REQUESTS_KEY, DIRECT_KEY, SESSIONS_KEY = "#accepts-1.0", "#requests-1.0", "#direct-1.0", "#sessions-1.0"
_BROKER = (
    (REQUESTS_KEY, "requests", "Asks for offers: where and when something can run, and what that costs"),
    (DIRECT_KEY, "direct", "Runs something at the best place, without a choice of offers"),
    (SESSIONS_KEY, "sessions", "Offers and what becomes of them"),
)


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
    broker = tuple(
        Capability(
            standard_id=f"{standard_id}{key}",
            description=about,
            interfaces=(
                Interface(
                    access_url=f"{base_url}/{path}",
                    use="base",
                    role="std",
                    version="1.0",
                    security_methods=security_methods,
                    query_types=("GET", "POST") if path == "sessions" else ("POST",),
                    result_type="application/json",
                ),
            ),
        )
        for key, path, about in _BROKER
    )
    return (*vosi_capabilities(base_url), accepts, *broker)
