"""The MusicXML 4.0 schema, compiled once, from files on this machine and never from the network.

The schema itself (W3C Community Final Specification Agreement) is in the wheel `musicxml`, whose
code is not imported. Its own imports, `xml:` and `xlink:` attributes, are small and stand here.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

from lxml import etree

from picogen_core.errors import BadInput

_FILE = "generate_classes/musicxml_4_0.xsd"
_ATTRIBUTES = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
  targetNamespace="{namespace}">{attributes}</xs:schema>"""
_IMPORTS = {
    "http://www.musicxml.org/xsd/xml.xsd": (
        "http://www.w3.org/XML/1998/namespace",
        {"lang": "xs:language", "space": "xs:NCName"},
    ),
    "http://www.musicxml.org/xsd/xlink.xsd": (
        "http://www.w3.org/1999/xlink",
        {
            "href": "xs:anyURI",
            "type": "xs:NMTOKEN",
            "role": "xs:token",
            "title": "xs:token",
            "show": "xs:NMTOKEN",
            "actuate": "xs:NMTOKEN",
        },
    ),
}


class _Local(etree.Resolver):  # type: ignore[misc]
    """Resolver of the two imports; others are refused."""

    def resolve(self, url: str, public_id: str, context: object) -> object:
        if url not in _IMPORTS:
            return None
        namespace, attributes = _IMPORTS[url]
        rows = "".join(f'<xs:attribute name="{n}" type="{t}"/>' for n, t in attributes.items())
        text = _ATTRIBUTES.format(namespace=namespace, attributes=rows)
        return self.resolve_string(text, context)


@lru_cache(maxsize=1)
def load_schema() -> etree.XMLSchema:
    """Return the compiled schema.

    Raises:
        BadInput: its wheel is not installed.
    """
    found = importlib.util.find_spec("musicxml")
    folders = [Path(folder) for folder in found.submodule_search_locations or ()] if found else []
    file = next((f / _FILE for f in folders if (f / _FILE).is_file()), None)
    if file is None:
        raise BadInput(
            "the MusicXML 4.0 schema is not installed. Run: pip install 'picogen-core[schema]'"
        )
    parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False)
    parser.resolvers.add(_Local())
    return etree.XMLSchema(etree.parse(file, parser))


def schema_faults(xml: bytes) -> list[str]:
    """Return a file's faults by the MusicXML 4.0 schema: line and reason; empty if it is valid.

    Raises:
        BadInput: the schema is not installed.
    """
    schema = load_schema()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        score = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        return [f"it is no XML: {error}"]
    if schema.validate(score):
        return []
    return [f"line {error.line}: {error.message}" for error in schema.error_log]
