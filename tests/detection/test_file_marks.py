"""Which statements of a file are taken for "I was generated", and which are not."""

import pytest

from detection.file_marks import file_marks, plainest_kind

WEBUI = "a castle\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
JOB = "a castle --v 6.1 Job ID: 01234567-89ab-cdef-0123-456789abcdef"
TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def facts(group: str, **values: str) -> dict[str, object]:
    place = "metadata" if group in ("exif", "text") else "file"
    return {place: {group: values}}


@pytest.mark.parametrize(
    ("stated", "program"),
    [
        (facts("text", parameters=WEBUI), "Stable Diffusion WebUI"),
        (facts("exif", UserComment=WEBUI), "Stable Diffusion WebUI"),
        (facts("text", prompt='{"3": {"class_type": "KSampler"}}'), "ComfyUI"),
        (facts("text", workflow='{"last_node_id": 9, "nodes": []}'), "ComfyUI"),
        (facts("text", Software="NovelAI"), "NovelAI"),
        (facts("text", invokeai_metadata="{}"), "InvokeAI"),
        (facts("text", Description=JOB), "Midjourney"),
        (facts("exif", ImageDescription=JOB), "Midjourney"),
        (facts("exif", Software="DALL·E 3"), "DALL·E"),
        (facts("exif", Software="Adobe Firefly 2"), "Adobe Firefly"),
        (facts("xmp", **{"xmp:CreatorTool": "ComfyUI"}), "ComfyUI"),
        (facts("xmp", **{"photoshop:Credit": "Made with Google AI"}), ""),
        (facts("xmp", **{"Iptc4xmpExt:DigitalSourceType": TYPES + "trainedAlgorithmicMedia"}), ""),
        (facts("xmp", **{"Iptc4xmpExt:DigitalSourceType": TYPES + "algorithmicMedia"}), ""),
    ],
)
def test_a_generators_mark_is_found(stated, program):
    (mark,) = file_marks(stated)
    assert (mark.kind, mark.program) == ("generated", program)


def test_a_composite_is_generated_in_part():
    name = TYPES + "compositeWithTrainedAlgorithmicMedia"
    (mark,) = file_marks(facts("xmp", **{"Iptc4xmpExt:DigitalSourceType": name}))
    assert mark.kind == "in_part"


def test_an_ingredient_that_was_generated_makes_it_generated_in_part():
    credentials = {"ingredient_source_types": ["trainedAlgorithmicMedia"]}
    (mark,) = file_marks({"file": {"credentials": credentials}})
    assert mark.kind == "in_part"


@pytest.mark.parametrize(
    "stated",
    [
        facts("exif", Software="Adobe Photoshop 25.0"),
        facts("exif", ImageDescription="A demonstration against Midjourney and OpenAI"),
        facts("iptc", Credit="Ann / OpenAI press office"),
        facts("text", parameters="aperture 8"),
        facts("text", prompt="What do you see?"),
        facts("text", Comment="Steps: the stairs of the castle"),
        facts("xmp", **{"Iptc4xmpExt:DigitalSourceType": TYPES + "digitalCapture"}),
        {},
        {"metadata": {}, "file": None},
    ],
)
def test_what_is_no_mark_is_none(stated):
    assert file_marks(stated) == []


def test_the_plainest_kind_is_what_lists_say():
    name = TYPES + "compositeWithTrainedAlgorithmicMedia"
    both = facts("xmp", **{"Iptc4xmpExt:DigitalSourceType": name, "xmp:CreatorTool": "ComfyUI"})
    assert plainest_kind(both) == "generated"
    assert plainest_kind({}) == ""
