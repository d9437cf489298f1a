"""Two images beside each other: verdicts, how alike they are, and what their files say."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from detection.file_section import FileSection, file_section, technical_rows
from detection.models import Detection
from detection.presentation import VerdictCard, file_facts, verdict_card
from detection.services.file_reading import current_facts
from detection.services.seen_before import Kind, Likeness, alike
from detection.sightings import KINDS

Text = str | Promise
_Said = dict[tuple[str, str], list[str]]


@dataclass(frozen=True)
class Row:
    """One thing that both or one of the files say; an empty value where it says nothing."""

    label: str
    where: str
    one: str
    other: str


@dataclass(frozen=True)
class SideBySide:
    """Everything the page says of two images.

    Attributes:
        kind: how alike they are, in words.
        distance: in how many of 64 features they differ; None where they cannot be compared.
        disagree: whether the same picture got two verdicts.
        different, equal: what the files say differently, and alike.
    """

    cards: tuple[VerdictCard, VerdictCard]
    kind: Text
    distance: int | None
    is_mirrored: bool
    disagree: bool
    different: list[Row]
    equal: list[Row]


def side_by_side(
    one: Detection, other: Detection, *, file_names: tuple[str, str], fake_share: float | None
) -> SideBySide:
    """Compare two detections of images that a reader may see.

    Args:
        file_names: as the reader may see them.
        fake_share: as of `verdict_card`.
    """
    found = alike(one.image, other.image)
    rows = _rows(*(_said(row, name) for row, name in zip((one, other), file_names, strict=True)))
    is_same = found is not None and found.kind in {Kind.EXACT, Kind.NEAR}
    verdicts = {row.verdict for row in (one, other) if row.verdict}
    return SideBySide(
        cards=(
            verdict_card(one, fake_share=fake_share),
            verdict_card(other, fake_share=fake_share),
        ),
        kind=_likeness(found),
        distance=found.distance if found and found.kind != Kind.EXACT else None,
        is_mirrored=found is not None and found.is_mirrored,
        disagree=is_same and len(verdicts) > 1,
        different=[row for row in rows if row.one != row.other],
        equal=[row for row in rows if row.one == row.other],
    )


def _likeness(found: Likeness | None) -> Text:
    if found is None:
        return _("At least one of them is too uniform to be compared, or was not decoded.")
    return KINDS[found.kind] if found.kind else _("Two pictures: no copies of each other")


def _said(row: Detection, file_name: str) -> _Said:
    """Values by label and place; several of one label in their order."""
    image, facts = row.image, current_facts(row.image)
    section = file_section(
        facts, file_name=file_name, received=image.created_at, may_see_original=True
    )
    said: _Said = {}
    for label, where, value in (
        (_("File name"), "", file_name),
        *((label, "", value) for label, value in [*file_facts(image), *technical_rows(facts)]),
        ("SHA-256", "", image.sha256),
        *_statements(section),
    ):
        if value:
            said.setdefault((str(label), where), []).append(str(value))
    return said


def _statements(section: FileSection) -> Iterator[tuple[Text, str, Text]]:
    yield from ((_("About itself"), "", mark) for mark in section.marks)
    for row in [row for group in section.groups for row in group.rows]:
        yield row.label, row.where, row.value
    if section.position:
        place = f"{section.position.latitude}, {section.position.longitude}"
        yield _("Where it was taken"), "", place
    yield _("Content credentials"), "", section.credentials.title
    for row in [*section.credentials.rows, *section.others]:
        yield row.label, row.where, row.value


def _rows(one: _Said, other: _Said) -> list[Row]:
    keys = dict.fromkeys([*one, *other])
    return [
        Row(label, where, *(" · ".join(said.get((label, where), [])) for said in (one, other)))
        for label, where in keys
    ]
