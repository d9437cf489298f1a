"""What a file itself says about having been generated; found in its facts, old ones too.

Such a mark can be added or removed by anybody, so it changes no verdict.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Fields = dict[str, dict[str, str]]

GENERATED, IN_PART, EDITED = "generated", "in_part", "edited"
MOST_EXCERPT = 200

# The last part of IPTC's digital source types, https://cv.iptc.org/newscodes/digitalsourcetype/
SOURCE_TYPES = {
    "trainedalgorithmicmedia": GENERATED,
    "algorithmicmedia": GENERATED,
    "compositewithtrainedalgorithmicmedia": IN_PART,
}
_NAMED_BY_PROGRAM = re.compile(
    r"stable[ _-]?diffusion|midjourney|dall[·\-. ]?e\b|comfyui|invokeai|novelai|fooocus|"
    r"automatic1111|adobe firefly|bing image creator|microsoft designer|leonardo\.ai|ideogram|"
    r"playground ai|dreamstudio|\bgpt-4o\b|\bchatgpt\b|openai|\bgrok\b",
    re.IGNORECASE,
)
_EDITED_BY = re.compile(r"edited with google ai|generative fill|ai[- ]edited", re.IGNORECASE)
_SAID_IN_CREDIT = re.compile(
    r"made with google ai|\bai[- ]generated|generated (by|with|using) (an? )?(ai|artificial)",
    re.IGNORECASE,
)
# Where programs put their name; never captions, in which a journalist may write about one, nor
# credits, which may name the company that a photograph is of.
_PROGRAM_FIELDS = {
    "exif": ("Software", "ProcessingSoftware", "Make", "Model", "HostComputer"),
    "text": ("Software", "Source"),
    "xmp": ("xmp:CreatorTool", "tiff:Software", "Iptc4xmpExt:AISystemUsed"),
    "iptc": ("OriginatingProgram",),
}
_CREDIT_FIELDS = {
    "text": ("Title", "Source", "Author"),
    "xmp": ("photoshop:Credit", "photoshop:Source"),
    "iptc": ("Credit", "Source"),
}
_GROUPS = {"exif": "EXIF", "text": "Text", "xmp": "XMP", "iptc": "IPTC"}
_WEBUI = re.compile(r"\bSteps: \d+.*\b(Sampler|CFG scale|Seed): |Negative prompt: ", re.DOTALL)
_MIDJOURNEY = re.compile(r"\bJob ID: [0-9a-f-]{36}", re.IGNORECASE)
_COMFY = re.compile(r'"(class_type|last_node_id|ckpt_name|KSampler)"')
_INVOKE_KEYS = ("invokeai_metadata", "invokeai_graph", "sd-metadata", "Dream")


@dataclass(frozen=True)
class Mark:
    """One statement of the file.

    Attributes:
        kind: generated, in_part (a composite with generated parts) or edited (by such a program).
        program: which program, where that is known.
        where: the field that says so, such as `XMP Iptc4xmpExt:DigitalSourceType`.
        text: what stands there, cut; untrusted.
    """

    kind: str
    program: str
    where: str
    text: str


def stated_fields(facts: dict[str, Any]) -> Fields:
    """Texts of the file by group (exif, xmp, iptc, text) and name."""
    metadata, file = facts.get("metadata") or {}, facts.get("file") or {}
    return {
        "exif": metadata.get("exif") or {},
        "xmp": file.get("xmp") or {},
        "iptc": file.get("iptc") or {},
        "text": metadata.get("text") or {},
    }


def file_marks(facts: dict[str, Any]) -> list[Mark]:
    """Every mark, the plainest first; each field once."""
    fields = stated_fields(facts)
    found = [
        *_in_credentials((facts.get("file") or {}).get("credentials") or {}),
        *_in_source_type(fields["xmp"]),
        *_in_text(fields["text"]),
        *_in_comment(fields["exif"]),
        *_in_programs(fields),
        *_in_credits(fields),
    ]
    by_field = {mark.where: mark for mark in reversed(found)}
    return sorted(by_field.values(), key=lambda mark: (mark.kind != GENERATED, found.index(mark)))


def plainest_kind(facts: dict[str, Any]) -> str:
    """The kind of the plainest mark; empty where the file says nothing of the sort."""
    return next((mark.kind for mark in file_marks(facts)), "")


def _in_credentials(credentials: dict[str, Any]) -> Iterator[Mark]:
    by = next((one["agent"] for one in credentials.get("actions", []) if one.get("agent")), "")
    program = by or credentials.get("generator", "")
    for kind in credentials.get("source_types", []):
        if mark := SOURCE_TYPES.get(kind.lower()):
            yield Mark(mark, program, "C2PA digitalSourceType", kind)
    for kind in credentials.get("ingredient_source_types", []):
        if kind.lower() in SOURCE_TYPES:
            yield Mark(IN_PART, "", "C2PA ingredient digitalSourceType", kind)


def _in_source_type(xmp: dict[str, str]) -> Iterator[Mark]:
    name = "Iptc4xmpExt:DigitalSourceType"
    stated = xmp.get(name, "").rpartition("/")[2].strip()
    if kind := SOURCE_TYPES.get(stated.lower()):
        yield Mark(kind, xmp.get("Iptc4xmpExt:AISystemUsed", ""), f"XMP {name}", stated)
    if prompt := xmp.get("Iptc4xmpExt:AIPromptInformation"):
        where = "XMP Iptc4xmpExt:AIPromptInformation"
        yield Mark(GENERATED, "", where, prompt[:MOST_EXCERPT])


def _in_text(text: dict[str, str]) -> Iterator[Mark]:
    for key, value in text.items():
        if program := _generator_of(key, value):
            yield Mark(GENERATED, program, f"Text {key}", value[:MOST_EXCERPT])


def _generator_of(key: str, value: str) -> str:
    """The program that writes such a text chunk; empty for any other."""
    if key == "parameters" or _WEBUI.search(value):
        return "Stable Diffusion WebUI" if _WEBUI.search(value) else ""
    if key in ("prompt", "workflow") and _COMFY.search(value):
        return "ComfyUI"
    if key in _INVOKE_KEYS:
        return "InvokeAI"
    if key == "fooocus_scheme":
        return "Fooocus"
    if key in ("Description", "comment", "Comment") and _MIDJOURNEY.search(value):
        return "Midjourney"
    return ""


def _in_comment(exif: dict[str, str]) -> Iterator[Mark]:
    for name in ("UserComment", "ImageDescription"):
        value = exif.get(name, "")
        if _WEBUI.search(value):
            yield Mark(GENERATED, "Stable Diffusion WebUI", f"EXIF {name}", value[:MOST_EXCERPT])
        elif _MIDJOURNEY.search(value):
            yield Mark(GENERATED, "Midjourney", f"EXIF {name}", value[:MOST_EXCERPT])
        elif _COMFY.search(value):
            yield Mark(GENERATED, "ComfyUI", f"EXIF {name}", value[:MOST_EXCERPT])


def _in_programs(fields: Fields) -> Iterator[Mark]:
    for where, value in _values(fields, _PROGRAM_FIELDS):
        if found := _NAMED_BY_PROGRAM.search(value):
            yield Mark(GENERATED, found[0], where, value[:MOST_EXCERPT])


def _in_credits(fields: Fields) -> Iterator[Mark]:
    for where, value in _values(fields, _CREDIT_FIELDS):
        if _SAID_IN_CREDIT.search(value):
            yield Mark(GENERATED, "", where, value[:MOST_EXCERPT])
        elif _EDITED_BY.search(value):
            yield Mark(EDITED, "", where, value[:MOST_EXCERPT])


def _values(fields: Fields, names: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """(field, what stands there) of those that are there."""
    for group, some in names.items():
        for name in some:
            if value := fields[group].get(name):
                yield f"{_GROUPS[group]} {name}", value
