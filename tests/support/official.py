"""The official schemas that stand beside a checkout; what they say is law."""

from __future__ import annotations

from functools import cache

from lxml import etree

from tests.support.systems import require_shared

XS = "{http://www.w3.org/2001/XMLSchema}import"
RECORD_VERSIONS = {"VOResource-v1.1.xsd": "VOResource-v1.2.xsd"}


def findings(document: bytes, *, record: bool) -> list[str]:
    """Return what is wrong in a document: a `record` is judged by VOResource 1.2, an endpoint's by 1.1."""
    schema = _schema(record)
    return [] if schema.validate(etree.fromstring(document)) else [str(one) for one in schema.error_log]


@cache
def _schema(record: bool) -> etree.XMLSchema:
    path = require_shared("xsd", "ALL.xsd")
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Beside())
    root = etree.parse(str(path), parser)
    files = {}
    for element in root.iter(XS):
        location = element.get("schemaLocation") or ""
        location = RECORD_VERSIONS.get(location, location) if record else location
        element.set("schemaLocation", str(path.parent / location))
        files[element.get("namespace")] = str(path.parent / location)
    _Beside.files = files
    return etree.XMLSchema(root)


class _Beside(etree.Resolver):
    files: dict[str | None, str] = {}  # noqa: RUF012  # set once, before the schemas are compiled

    def resolve(self, url: str, public_id: str, context: object) -> object:
        """Open what an official schema names by its namespace or address."""
        for namespace, file in self.files.items():
            if url == namespace or url.rstrip("/").endswith(file.rpartition("/")[2]):
                return self.resolve_filename(file, context)
        return None
