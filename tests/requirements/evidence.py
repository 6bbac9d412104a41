"""Where requirements are coded and tested, read off the tree."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_CITATION = re.compile(r"\b([A-Z][A-Za-z]+\s+\d(?:\.\d)?)((?:,?\s+s\d+(?:\.\d+)*)+)")
_PART_OF_SSO = re.compile(r"SSO 3, [a-z-]+")
_MARK = "mark.requirement"


def citations(root: Path, packages: Iterable[str]) -> Mapping[str, list[str]]:
    """Return, by clause, the source files that cite it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            for clause in sorted(clauses_in(path.read_text())):
                found[clause].append(path.relative_to(root).as_posix())
    return found


def clauses_in(text: str) -> set[str]:
    """Return the clauses that a text cites: ``UWS 1.1 s2.1.4, s2.1.5`` are two."""
    found = set(_PART_OF_SSO.findall(text))
    for standard, sections in _CITATION.findall(text):
        found |= {f"{' '.join(standard.split())} {section}" for section in re.findall(r"s\d+(?:\.\d+)*", sections)}
    return found


def marked_tests(folder: Path) -> Mapping[str, list[str]]:
    """Return, by number, the tests that name it: the path below `folder`, ``::`` and the name."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text()
        if f"@pytest.{_MARK}" in source:
            for name, number in _marks(ast.parse(source).body):
                found[number].append(f"{path.relative_to(folder).as_posix()}::{name}")
    return found


def _marks(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(_MARK):
                    yield from ((node.name, ast.literal_eval(argument)) for argument in decorator.args)
        if isinstance(node, ast.ClassDef):
            yield from _marks(node.body)
