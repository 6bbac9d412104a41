"""Names of files, properties and lists of HiPS."""

from __future__ import annotations

import pytest

from datalink.core.hips import hips_list, media_type, read_properties, written_properties
from penstock.dali.errors import NotFound

GOOD = """\
# a comment
creator_did          = ivo://penstock.example/hips?demo
obs_title            = Demo = survey
dataproduct_type     = image
hips_version         = 1.4
hips_release_date    = 2026-11-21T12:00Z
hips_status          = public master clonable
hips_tile_format     = png fits
hips_order           = 3
hips_frame           = equatorial
hips_service_url     = https://elsewhere.org/hips
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("properties", "text/plain; charset=utf-8"),
        ("Moc.fits", "application/fits"),
        ("metadata.fits", "application/fits"),
        ("metadata.xml", "application/x-votable+xml"),
        ("preview.jpg", "image/jpeg"),
        ("Norder3/Allsky.jpg", "image/jpeg"),
        ("Norder3/Allsky_2.png", "image/png"),
        ("Norder0/Dir0/Npix11.png", "image/png"),
        ("Norder6/Dir40000/Npix49151.fits", "application/fits"),
        ("Norder3/Dir0/Npix5_12.jpg", "image/jpeg"),
        ("Norder3/Dir0/Npix5.tsv", "text/tab-separated-values; charset=utf-8"),
        (f"Norder29/Dir{(12 << 58) - 10000 - (12 << 58) % 10000 + 10000}/Npix{(12 << 58) - 1}.png", "image/png"),
    ],
)
def test_files_have_the_media_type_of_their_ending(path: str, kind: str) -> None:
    assert media_type(path) == kind


@pytest.mark.parametrize(
    "path",
    [
        "", "index.html", "Norder3", "Norder3/Dir0/", "Norder3/Dir0/Npix768.png", "Norder3/Dir1/Npix5.png",
        "Norder5/Dir0/Npix10001.png", "Norder30/Dir0/Npix1.png", "Norder3/Dir0/Npix5.php", "Norder3/Dir0/Npix-1.png",
        "../properties", "Norder3/../properties", "Norder3/Dir0/Npix5.png/x", "properties\n", "Norder3/Allsky.html",
        "Norder٣/Dir0/Npix1.png",
    ],
)  # fmt: skip
def test_other_files_are_none_of_a_survey(path: str) -> None:
    with pytest.raises(NotFound):
        media_type(path)


def test_properties_are_read() -> None:
    survey = read_properties(GOOD)
    assert survey.problems == ()
    assert survey.values["obs_title"] == "Demo = survey"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("hips_frame ", "hips_brame ", "hips_frame is missing"),
        ("equatorial", "", "hips_frame is missing"),
        ("= 3", "= many", "no order"),
        ("= 3", "= 30", "no order"),
        ("image", "cake", "not one of"),
        ("ivo://penstock.example", "penstock.example", "no IVOA identifier"),
    ],
)
def test_what_is_wrong_with_properties_is_told(old: str, new: str, problem: str) -> None:
    (told,) = read_properties(GOOD.replace(old, new)).problems
    assert problem in told


@pytest.mark.parametrize("text", ["", "\0\1\2", "= = =\n==", "<html>not found</html>", "a" * 10_000])
def test_what_is_no_properties_file_lacks_everything(text: str) -> None:
    assert len(read_properties(text).problems) == 9


def test_properties_are_written_with_our_own_address() -> None:
    text = written_properties(read_properties(GOOD), "https://x.org/hips/demo")
    assert read_properties(text).values == {
        **read_properties(GOOD).values,
        "hips_service_url": "https://x.org/hips/demo",
    }


def test_the_list_has_a_record_for_each_survey() -> None:
    survey = read_properties(GOOD)
    records = hips_list([("https://x.org/hips/a", survey), ("https://x.org/hips/b", survey)]).split("\n\n")
    assert [read_properties(record).values["hips_service_url"] for record in records] == [
        "https://x.org/hips/a",
        "https://x.org/hips/b",
    ]
    required = {"creator_did", "hips_release_date", "hips_service_url", "hips_status"}
    assert all(required <= set(read_properties(record).values) for record in records)
