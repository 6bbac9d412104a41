from __future__ import annotations

import pytest

from datalink.core.known import Observed
from datalink.core.services import Offered, compute_service, cutout_service, staging_service
from penstock.votable.document import Param, ServiceDescriptor

SODA = Offered(url="https://x.org/soda", standard_id="ivo://ivoa.net/std/SODA#sync-1.0")


def inputs(service: ServiceDescriptor) -> dict[str, Param]:
    return {param.name: param for param in service.inputs}


def test_cutouts_tell_the_limits_that_obscore_knows() -> None:
    """(SODA 1.0 s4.1)."""
    observed = Observed(
        s_ra=10.5, s_dec=-5.0, s_fov=2.0, s_region="Polygon ICRS 1 2 3 4 5 6", t_min=59000.25, t_max=59001.0,
        em_min=3e-7, em_max=8e-7, pol_states="/I/Q/",
    )  # fmt: skip
    found = inputs(cutout_service(SODA, observed, 3))
    assert (found["CIRCLE"].maximum, found["POLYGON"].maximum) == ("10.5 -5.0 1.0", "1 2 3 4 5 6")
    assert (found["BAND"].minimum, found["BAND"].maximum) == ("3e-07", "8e-07")
    assert (found["TIME"].minimum, found["TIME"].maximum) == ("59000.25", "59001.0")
    assert found["POL"].options == ("I", "Q")
    assert found["ID"].ref == "link_id"


def test_every_file_s_cutouts_have_a_name_of_their_own() -> None:
    names = {cutout_service(SODA, Observed(), number).name for number in range(3)}
    assert names == {"cutout", "cutout_1", "cutout_2"}


def test_without_limits_everything_may_still_be_asked_for() -> None:
    found = inputs(cutout_service(SODA, Observed()))
    assert list(found) == ["ID", "CIRCLE", "POLYGON", "POS", "BAND", "TIME", "POL", "PIXELS"]
    assert all((param.minimum, param.maximum) == (None, None) for param in found.values())


@pytest.mark.parametrize(
    "region",
    ["Circle ICRS 1 2 3", "Polygon FK5 1 2 3 4 5 6", "Polygon ICRS 1 2 3 4", "Polygon ICRS a b c d e f", "", "x"],
)
def test_only_a_polygon_in_icrs_is_a_limit(region: str) -> None:
    assert inputs(cutout_service(SODA, Observed(s_region=region)))["POLYGON"].maximum is None


def test_staging_is_recognised_as_the_creation_of_a_job() -> None:
    service = staging_service(
        Offered(url="https://x.org/jobs", standard_id="ivo://ivoa.net/std/UWS#rest-1.1"), ("a", "b")
    )
    assert {param.name: param.value for param in service.params} == {
        "standardID": "ivo://ivoa.net/std/UWS#rest-1.1",
        "accessURL": "https://x.org/jobs",
        "contentType": "text/xml",
    }
    found = inputs(service)
    assert (found["JOBTYPE"].value, found["PHASE"].value) == ("lake.stage", "RUN")
    assert found["SITE"].options == ("a", "b")
    assert (found["LIFETIME"].datatype, found["LIFETIME"].unit) == ("long", "s")


def test_a_lake_of_very_many_sites_does_not_swell_the_document() -> None:
    service = staging_service(SODA, tuple(f"site{number}" for number in range(10_000)))
    assert len(inputs(service)["SITE"].options) == 500


def test_a_task_is_asked_for_with_the_identifier_of_the_row() -> None:
    found = inputs(compute_service(SODA))
    assert (found["tasktype"].value, found["taskinfo.data"].ref) == ("", "link_id")
