from __future__ import annotations

from typing import Any

import pytest

from execplanner.core.plan import Plan, Wishes, plan_codemeta, plan_location
from penstock.dali.errors import UsageError

K = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds"
GIT = "urn:penstock:kind:executable:git-repository"


def executable(plan: Plan) -> dict[str, Any]:
    return {name: value for name, value in plan.request["executable"].items() if name not in ("kind", "meta")}


@pytest.mark.parametrize(
    ("location", "notebook"),
    [
        ("https://example.org/a/sky.ipynb", "https://example.org/a/sky.ipynb"),
        (
            "https://github.com/a/b/blob/main/x/my%20sky.ipynb",
            "https://raw.githubusercontent.com/a/b/main/x/my%20sky.ipynb",
        ),
        ("https://gitlab.com/a/b/c/-/blob/v1/sky.ipynb", "https://gitlab.com/a/b/c/-/raw/v1/sky.ipynb"),
    ],
)
def test_a_notebook_is_a_location_from_which_it_can_be_fetched(location: str, notebook: str) -> None:
    plan = plan_location(location, Wishes())
    assert plan.request["executable"]["kind"] == f"{K}/executable/jupyter-notebook.yaml"
    assert executable(plan) == {"location": notebook}


@pytest.mark.parametrize(
    ("location", "program"),
    [
        ("https://example.org/a/sky.py?v=1#top", "https://example.org/a/sky.py?v=1"),
        ("https://github.com/a/b/blob/main/sky.py", "https://raw.githubusercontent.com/a/b/main/sky.py"),
    ],
)
def test_a_program_is_one_too(location: str, program: str) -> None:
    plan = plan_location(location, Wishes())
    assert plan.request["executable"]["kind"] == "urn:penstock:kind:executable:python-program"
    assert executable(plan) == {"location": program}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://github.com/a/b", {"location": "https://github.com/a/b", "provider": "gh"}),
        ("https://github.com/a/b.git", {"location": "https://github.com/a/b.git", "provider": "gh"}),
        ("git@github.com:a/b.git", {"location": "https://github.com/a/b.git", "provider": "gh"}),
        ("https://github.com/a/b/tree/v2", {"location": "https://github.com/a/b", "provider": "gh", "ref": "v2"}),
        (
            "https://gitlab.com/a/b/c/-/tree/main/d",
            {"location": "https://gitlab.com/a/b/c", "provider": "gl", "ref": "main"},
        ),
        ("https://git.example.org/a/b.git", {"location": "https://git.example.org/a/b.git", "provider": "git"}),
        ("10.5281/zenodo.123", {"location": "https://doi.org/10.5281/zenodo.123", "provider": "zenodo"}),
        ("https://doi.org/10.7910/DVN/X", {"location": "https://doi.org/10.7910/DVN/X", "provider": "doi"}),
    ],
)
def test_a_repository_is_known_by_its_form(location: str, expected: dict[str, str]) -> None:
    plan = plan_location(location, Wishes())
    assert plan.request["executable"]["kind"] == GIT
    assert executable(plan) == expected


@pytest.mark.parametrize(
    "location",
    [
        "",
        "sky",
        "ftp://example.org/a.ipynb",
        "https://me:secret@example.org/a.git",
        "https://example.org/",
        "file:///a.ipynb",
    ],
)
def test_anything_else_is_refused_and_told(location: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_location(location, Wishes())
    assert "secret" not in caught.value.message or location.startswith("https://me")


CODEMETA = {
    "@context": "https://w3id.org/codemeta/3.0",
    "@type": "SoftwareSourceCode",
    "name": "skymaps",
    "codeRepository": "git+https://github.com/sky/maps.git",
    "processorRequirements": "4 cores",
    "memoryRequirements": "6.5 GB",
    "storageRequirements": "20 GiB",
    "timeRequired": "PT2H",
    "softwareRequirements": [{"@type": "SoftwareApplication", "name": "astropy", "version": "7.0"}, "gammapy"],
}


def test_codemeta_says_what_the_software_needs() -> None:
    plan = plan_codemeta(CODEMETA, Wishes())
    assert plan.request == {
        "executable": {
            "kind": GIT,
            "location": "https://github.com/sky/maps.git",
            "provider": "gh",
            "meta": {"name": "skymaps"},
        },
        "compute": {"kind": f"{K}/compute/simple-compute-resource.yaml", "cores": {"min": 4}, "memory": {"min": 7}},
        "storage": [{"kind": f"{K}/storage/simple-storage-resource.yaml", "size": {"min": 20}}],
        "schedule": {"requested": {"duration": "PT7200S"}},
    }
    assert plan.notes == ("What runs it must bring: astropy 7.0, gammapy.",)


def test_wishes_come_before_what_the_software_says() -> None:
    plan = plan_codemeta(CODEMETA, Wishes(cores=1, memory="2Gi", duration="30m", name="mine"))
    assert plan.request["compute"]["cores"] == {"min": 1}
    assert plan.request["compute"]["memory"] == {"min": 2}
    assert plan.request["schedule"]["requested"]["duration"] == "PT1800S"
    assert plan.request["executable"]["meta"]["name"] == "mine"


def test_data_are_named_by_identifier_or_url_and_seen_each_in_a_directory_of_its_own() -> None:
    named = ("sample:m13.fits", "ivo://x.org/lake?sample:m13.fits", "https://x.org/a/m%2013.fits?v=1")
    request = plan_location("https://example.org/sky.ipynb", Wishes(data=named)).request
    assert [{name: one[name] for name in one if name != "kind"} for one in request["data"]] == [
        {"meta": {"name": "data-1"}, "rucio": {"scope": "sample", "object": "m13.fits"}},
        {"meta": {"name": "data-2"}, "ivoa": {"ivoid": "ivo://x.org/lake?sample:m13.fits"}},
        {"meta": {"name": "data-3"}, "location": "https://x.org/a/m%2013.fits?v=1"},
    ]
    volumes = request["compute"]["volumes"]
    assert [one["resource"] for one in volumes] == ["data-1", "data-2", "data-3"]
    assert [one["path"] for one in volumes] == ["/data/1/m13.fits", "/data/2/m13.fits", "/data/3/m 13.fits"]


def test_data_without_a_scope_are_refused() -> None:
    with pytest.raises(UsageError, match="scope:name"):
        plan_location("https://example.org/sky.ipynb", Wishes(data=("m13.fits",)))


@pytest.mark.parametrize(
    ("member", "value", "kind", "expected"),
    [
        (
            "runtimePlatform",
            "docker://registry.example.org/sky:1@sha256:00",
            "docker-container",
            {"image": {"locations": ["registry.example.org/sky:1"], "digest": "sha256:00"}},
        ),
        (
            "softwareRequirements",
            [{"identifier": "library://sky/maps:1"}],
            "singularity-container",
            {"location": "library://sky/maps:1"},
        ),
        ("url", "https://example.org/sky.ipynb", "jupyter-notebook", {"location": "https://example.org/sky.ipynb"}),
    ],
)
def test_codemeta_that_leads_to_an_image_or_a_notebook_runs_that(
    member: str, value: object, kind: str, expected: dict[str, Any]
) -> None:
    plan = plan_codemeta({**CODEMETA, member: value}, Wishes())
    assert plan.request["executable"]["kind"] == f"{K}/executable/{kind}.yaml"
    assert executable(plan) == expected


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("processorRequirements", "x86_64"),
        ("memoryRequirements", "a lot"),
        ("timeRequired", "P1Y"),
        ("processorRequirements", 0),
    ],
)
def test_what_is_not_understood_is_a_note_and_not_a_guess(member: str, value: object) -> None:
    plan = plan_codemeta({"codeRepository": "https://git.example.org/a/b", member: value}, Wishes())
    assert set(plan.request) == {"executable"}
    assert plan.notes[0].startswith(f"{member}: ")


@pytest.mark.parametrize(
    "document", [{}, {"codeRepository": None}, {"codeRepository": {}}, {"name": "x", "codeRepository": "nowhere"}]
)
def test_codemeta_of_nothing_that_runs_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        plan_codemeta(document, Wishes())


@pytest.mark.parametrize("wishes", [Wishes(memory="8"), Wishes(duration="P1Y")])
def test_a_malformed_wish_is_refused(wishes: Wishes) -> None:
    with pytest.raises(UsageError):
        plan_location("https://example.org/a.ipynb", wishes)
