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
    ),
    Example(id="all", name="All", query="SELECT * FROM t", description="Everything.", tables=("t",)),
)


def document() -> etree._Element:
    return etree.fromstring(examples_document("Examples", EXAMPLES))


def texts(root: etree._Element, prop: str) -> list[str]:
    found = root.findall(f".//*[@property='{prop}']")
    assert all(len(element) == 0 for element in found)
    return [element.text for element in found]


def test_examples_stand_below_one_vocabulary_each_with_its_id() -> None:
    root = document()
    assert root.tag == "{http://www.w3.org/1999/xhtml}html"
    assert [e.get("vocab") for e in root.iter() if e.get("vocab")] == [VOCABULARY]
    listed = root.findall(".//*[@typeof='example']")
    assert [(e.get("id"), e.get("resource")) for e in listed] == [("cone", "#cone"), ("all", "#all")]


def test_properties_are_pure_text() -> None:
    root = document()
    assert texts(root, "name") == ["A cone & more", "All"]
    assert texts(root, "query") == ["SELECT * FROM ivoa.obscore\nWHERE 1 < 2", "SELECT * FROM t"]
    assert texts(root, "table") == ["ivoa.obscore", "lake.files", "t"]
