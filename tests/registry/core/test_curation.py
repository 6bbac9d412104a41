from __future__ import annotations

import pytest

from registry.core.curation import EXAMPLE, CurationError, CurationFile, Particular, line_of, read_curation
from registry.core.record import Coverage, Record

RECORD = Record(
    ivoid="ivo://vo.example.org/tap",
    type="vs:CatalogService",
    title="Found",
    text="Found.",
    subjects=("virtual-observatories",),
    reference_url="/tap/",
    curation=CurationFile().curation("vo.example.org"),
    coverage=Coverage(temporal=((1.0, 2.0),), wavebands=("Radio",)),
)


def test_the_example_can_be_read_as_it_is_and_with_every_comment_taken_off() -> None:
    assert read_curation(EXAMPLE).title == "Example Observatory"
    members = (
        line[2:] if line.startswith("# ") and ("=" in line or "[" in line) else line for line in EXAMPLE.splitlines()
    )
    whole = read_curation("\n".join(members))
    assert whole.publisher is not None
    assert whole.publisher.ivoid == "ivo://vo.example.org/org"
    assert whole.services["execplanner"].publish is False
    assert whole.collections["sample"].coverage.temporal == ((59000.0, 60000.0),)


def test_without_a_file_the_postmaster_answers() -> None:
    curation = CurationFile().curation("vo.example.org")
    assert curation.publisher.name == "Penstock"
    assert [one.email for one in curation.contacts] == ["postmaster@vo.example.org"]


def test_what_is_said_of_one_resource_comes_before_what_is_said_of_all() -> None:
    file = read_curation(
        'facilities = ["A"]\nsubjects = ["surveys"]\ncontacts = [{ name = "All" }]\ncoverage = { wavebands = ["UV"] }\n'
        '[services.tap]\ntitle = "Mine"\ncontacts = [{ name = "One" }]\nfacilities = ["B"]\n'
    )
    said = file.services["tap"]
    assert [one.name for one in file.curation("a.b.c", said).contacts] == ["One"]
    assert [one.name for one in file.curation("a.b.c").contacts] == ["All"]
    curated, other = file.curate(RECORD, said), file.curate(RECORD, Particular())
    assert (curated.title, curated.facilities) == ("Mine", ("B",))
    assert (other.title, other.facilities) == ("Found", ("A",))
    assert other.subjects == ("virtual-observatories", "surveys")
    assert other.coverage == Coverage(temporal=((1.0, 2.0),), wavebands=("UV",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = \n", "line 1"),
        ('title = ""', "line 1: title: '' is not one line of text"),
        ('\ncolour = "red"', "line 2: colour: there is no such key"),
        ('[services.tap]\ntitle = "x"\nsubjects = ["Galaxy clusters"]', "line 3: services.tap.subjects.1"),
        ('[services.tap]\nshort_name = "much longer than sixteen"', "line 2: services.tap.short_name"),
        (
            '[publisher]\nname = "x"\nivoid = "http://x"',
            "line 3: publisher.ivoid: 'http://x' is not an IVOA identifier",
        ),
        ('[[contacts]]\nname = "x"\nemail = "nobody"', "line 3: contacts.1.email: 'nobody' is not an address"),
        ("[[contacts]]\n", "line 1: contacts.1.name: Field required"),
        ('coverage = { wavebands = ["Purple"] }', "line 1: coverage.wavebands.1"),
        ("coverage = { temporal = [[1.0]] }", "line 1: coverage.temporal.1"),
        ('title = "a\\u0001b"', "line 1: title"),
        ("[services]\ntap = 3", "line 2: services.tap"),
    ],
)
def test_a_wrong_file_is_told_by_line_key_and_what_is_expected(text: str, told: str) -> None:
    with pytest.raises(CurationError) as caught:
        read_curation(text)
    assert told in str(caught.value)


def test_the_line_of_a_key_is_that_of_the_nearest_table_where_it_is_not_written_out() -> None:
    text = '# x\n[services.tap]\ntitle = "x"\n["services"."uws"]\ncontacts = [{ name = "a", email = "b" }]\n'
    assert line_of(text, ("services", "tap", "title")) == 3
    assert line_of(text, ("services", "tap", "description")) == 2
    assert line_of(text, ("services", "uws", "contacts", "email")) == 5
    assert line_of(text, ("nothing",)) == 1
