from __future__ import annotations

from lxml import etree

from penstock.dali.examples import VOCABULARY, Example, examples_document

EXAMPLES = (
    Example(
        id="cone",
        name="A cone & more",
        query="SELECT * FROM ivoa.obscore\nWHERE 1 < 2",
        description="Finds what lies near a position.",
        tables=("ivoa.obscore", "lake.files"),
        capability="ivo://ivoa.net/std/TAP",
    ),
    Example(id="links", name="Links", generic_parameters=(("ID", "ivo://a?b"), ("MAXREC", "3"))),
)


def document(**options) -> etree._Element:
    return etree.fromstring(examples_document("Examples", EXAMPLES, **options))


def texts(root: etree._Element, prop: str) -> list[str]:
    found = root.findall(f".//*[@property='{prop}']")
    assert all(len(element) == 0 for element in found)
    return [element.text for element in found]


def test_examples_stand_below_one_vocabulary_each_with_its_id() -> None:
    root = document()
    assert root.tag == "{http://www.w3.org/1999/xhtml}html"
    assert [e.get("vocab") for e in root.iter() if e.get("vocab")] == [VOCABULARY]
    listed = root.findall(".//*[@typeof='example']")
    assert [(e.get("id"), e.get("resource")) for e in listed] == [("cone", "#cone"), ("links", "#links")]


def test_properties_are_pure_text() -> None:
    root = document()
    assert texts(root, "name") == ["A cone & more", "Links"]
    assert texts(root, "query") == ["SELECT * FROM ivoa.obscore\nWHERE 1 < 2"]
    assert texts(root, "table") == ["ivoa.obscore", "lake.files"]
    assert texts(root, "capability") == ["ivo://ivoa.net/std/TAP"]


def test_generic_parameters_are_pairs() -> None:
    pairs = document().findall(".//*[@property='generic-parameter']")
    assert [p.get("typeof") for p in pairs] == ["keyval", "keyval"]
    assert [[child.text for child in p] for p in pairs] == [["ID", "ivo://a?b"], ["MAXREC", "3"]]


def test_a_continuation_is_a_link_without_resource() -> None:
    (link,) = document(continuations=["more"]).findall(".//*[@property='continuation']")
    assert (link.get("href"), link.get("resource")) == ("more", None)
