"""A bounded part of an XMP packet; one with a document type or an entity is refused."""

from collections.abc import Iterable
from typing import Any, NoReturn
from xml.parsers import expat

from ml.decoder.text import MAX_TEXT, cleaned

MAX_PACKET_BYTES = 1 << 20
MAX_ELEMENTS, MAX_DEPTH = 20_000, 24
MAX_PROPERTIES, MAX_ITEMS, MAX_EVENTS = 40, 20, 20
_READ_CHARS = 4 * MAX_TEXT

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
_ROOT, _DESCRIPTION, _ITEM = _RDF + "RDF", _RDF + "Description", _RDF + "li"
_EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent# "
_HISTORY = "http://ns.adobe.com/xap/1.0/mm/ History"
_EVENT_PARTS = {"action", "softwareAgent", "when", "changed", "parameters"}
_NAMESPACES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
}
# Named before anything else in the packet, so that chatter cannot push them out.
_TELLING = {
    "xmp:CreatorTool",
    "xmp:CreateDate",
    "xmp:ModifyDate",
    "xmp:MetadataDate",
    "photoshop:DateCreated",
    "photoshop:Credit",
    "photoshop:Source",
    "photoshop:History",
    "exif:DateTimeOriginal",
    "exif:GPSLatitude",
    "exif:GPSLongitude",
    "tiff:Make",
    "tiff:Model",
    "tiff:Software",
    "aux:Lens",
    "aux:SerialNumber",
    "dc:creator",
    "dc:rights",
    "dc:title",
    "dc:description",
    "dcterms:provenance",
    "xmpRights:UsageTerms",
    "xmpRights:WebStatement",
    "Iptc4xmpExt:DigitalSourceType",
    "Iptc4xmpExt:AISystemUsed",
    "Iptc4xmpExt:AISystemVersionUsed",
    "Iptc4xmpExt:AIPromptInformation",
}


def read(packet: bytes) -> dict[str, Any]:
    """`xmp`, `xmp_history` and, when it was not read to its end, `xmp_problem`: why.

    The problem is damaged, entities or too_large.
    """
    if len(packet) > MAX_PACKET_BYTES:
        return {"xmp_problem": "too_large"}
    reading = _Reading()
    problem = reading.problem_of(packet)
    found = {"xmp": reading.properties(), "xmp_history": reading.events, "xmp_problem": problem}
    return {key: value for key, value in found.items() if value}


class _Refused(Exception):  # noqa: N818 (it names what is wrong with the packet)
    pass


class _Reading:
    """Properties of the top-level descriptions, and the steps of their history."""

    def __init__(self) -> None:
        self.events: list[dict[str, str]] = []
        self._found: dict[str, str] = {}
        self._names: list[str] = []
        self._count = 0
        self._property, self._level = "", 0
        self._items: list[str] = []
        self._event: dict[str, str] = {}
        self._text: list[str] = []
        self._length = 0

    def properties(self) -> dict[str, str]:
        """The telling ones first, as many as are kept."""
        ordered = sorted(self._found, key=lambda name: name not in _TELLING)
        return {name: self._found[name] for name in ordered[:MAX_PROPERTIES]}

    def problem_of(self, packet: bytes) -> str:
        """Parse; empty when nothing was wrong."""
        parser = expat.ParserCreate(_encoding(packet), namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        try:
            parser.Parse(packet.rstrip(b"\0"), True)
        except _Refused as refusal:
            return str(refusal)
        except expat.ExpatError:
            return "damaged"
        return ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._names) >= MAX_DEPTH:
            raise _Refused("too_large")
        parent = self._names[-1] if self._names else ""
        self._names.append(name)
        self._text, self._length = [], 0
        if name == _DESCRIPTION and parent == _ROOT:
            for key, value in attributes.items():
                self._keep(key, [value])
        elif parent == _DESCRIPTION and not self._property:
            self._property, self._level, self._items = name, len(self._names), []
            if resource := attributes.get(_RDF + "resource"):
                self._items.append(resource)
        if self._property == _HISTORY:
            self._note_step(attributes)

    def _characters(self, text: str) -> None:
        if self._length < _READ_CHARS:
            self._text.append(text[:_READ_CHARS])
            self._length += len(text)

    def _end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text, self._length = [], 0
        self._names.pop()
        if self._property == _HISTORY:
            self._note_step({name: text} if text else {})
            if name == _ITEM and self._event:
                self.events, self._event = [*self.events, self._event][-MAX_EVENTS:], {}
        elif text and self._property and len(self._items) < MAX_ITEMS:
            self._items.append(text)
        if self._property and len(self._names) < self._level:
            self._keep(self._property, self._items)
            self._property = ""

    def _note_step(self, values: dict[str, str]) -> None:
        for key, value in values.items():
            part = key.removeprefix(_EVENT)
            if key.startswith(_EVENT) and part in _EVENT_PARTS:
                self._event[part] = cleaned(value, MAX_TEXT // 2)

    def _keep(self, key: str, values: Iterable[str]) -> None:
        namespace, _, local = key.rpartition(" ")
        prefix = _NAMESPACES.get(namespace)
        text = cleaned("; ".join(values), MAX_TEXT)
        if prefix and text:
            name = f"{prefix}:{cleaned(local, 40)}"
            if name in _TELLING or len(self._found) < 4 * MAX_PROPERTIES:
                self._found.setdefault(name, text)


def _refuse(*_: Any) -> NoReturn:
    raise _Refused("entities")


def _encoding(packet: bytes) -> str:
    """Ours, whatever the packet declares: other tables would have to be loaded from files."""
    return "utf-16" if packet[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8"
