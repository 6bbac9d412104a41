"""What the service says of itself (DataLink 1.1 s2.3)."""

from __future__ import annotations

from datalink.core.document import INPUTS
from datalink.core.links import STANDARD_ID
from penstock.dali.formats import DATALINK_TYPE
from penstock.regext import Capability, InputParam, Interface
from penstock.vosi import vosi_capabilities
from penstock.votable.document import Param

TITLE = "DataLink"
TEXT = "Links and replicas of the files of a data lake, for any number of identifiers in one call."


def capabilities(base_url: str, *, security_methods: tuple[str | None, ...] = ()) -> tuple[Capability, ...]:
    """Return the capabilities of the service at a base URL (no slash at its end)."""
    links = Capability(
        standard_id=STANDARD_ID,
        interfaces=(
            Interface(
                access_url=f"{base_url}/links",
                use="base",
                role="std",
                version="1.1",
                security_methods=security_methods,
                query_types=("GET", "POST"),
                result_type=DATALINK_TYPE,
                params=tuple(map(_input, INPUTS)),
            ),
        ),
    )
    return (*vosi_capabilities(base_url), links)


def _input(param: Param) -> InputParam:
    return InputParam(
        name=param.name,
        datatype="real" if param.datatype == "double" else "string",
        description=param.description,
        unit=param.unit,
        ucd=param.ucd,
        use="required" if param.name == "ID" else "optional",
        std=param.name == "ID",
    )
