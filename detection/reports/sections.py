"""The sections of a report, each in sentences of one language."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.models import User
from detection.explanation import judged_faces
from detection.file_section import FileSection, file_section
from detection.models import Detection
from detection.presentation import VerdictCard, file_facts
from detection.reports.copies import Copies
from detection.reports.custody import Custody
from detection.reports.findings import copies_section, layers_section
from detection.reports.order import Order
from detection.reports.pictures import Picture
from detection.reports.review import review_section
from detection.reports.texts import isolated, left_to_right, quoting
from detection.services.reviewed import Review

Section = dict[str, Any]
NO_FORMAT = "–"


@dataclass(frozen=True)
class Known:
    """What was found out for one report."""

    card: VerdictCard
    custody: Custody
    name: str
    copies: Copies | None
    layers: list[Picture]
    review: Review | None


def sections_of(detection: Detection, order: Order, known: Known) -> list[Section]:
    """In the order in which they are read; those without anything to say are left out."""
    card = known.card
    file_says, is_marked = _file_says(detection, known.name)
    sections = [
        _verdict(card),
        review_section(known.review, detection.verdict),
        file_says if is_marked else {},
        copies_section(known.copies),
        _issue(order),
        _file(detection, card, known.name),
        {} if is_marked else file_says,
        _limits(card),
        _unknown(),
        _stability(card),
        _faces(detection),
        layers_section(known.layers),
        _model(detection, card),
        _custody(known.custody),
        _checking(),
    ]
    return [section for section in sections if section]


def _section(name: str, title: str, **parts: Any) -> Section:
    """A section: any of `paragraphs` and `points` (texts), `rows` (label, value) and `table`."""
    return {"name": name, "title": title, **{part: value for part, value in parts.items() if value}}


def _verdict(card: VerdictCard) -> Section:
    number = card.figures.probability
    said = [
        _("Calibrated probability that it was generated or manipulated: %(number)s")
        % {"number": left_to_right(number)}
        if number
        else _("There is no number: nothing could be scored."),
        card.odds,
        card.odds_note,
        _cuts(card),
        card.overruled
        and _("By its number alone it would be: %(verdict)s") % {"verdict": card.overruled},
        card.limit,
    ]
    return _section(
        "verdict",
        _("Verdict: %(verdict)s") % {"verdict": card.title},
        paragraphs=[str(card.meaning), *(str(text) for text in said if text)],
        points=card.reasons,
    )


def _cuts(card: VerdictCard) -> str:
    low, high = card.figures.authentic_below, card.figures.manipulated_from
    said = []
    if low:
        said.append(_("Below %(cut)s: likely authentic") % {"cut": left_to_right(low)})
    if high:
        said.append(_("From %(cut)s: likely manipulated") % {"cut": left_to_right(high)})
    if low or high:
        said.append(_("Between: cannot tell"))
    return " · ".join(said)


def _issue(order: Order) -> Section:
    rows = [
        (_("Report"), left_to_right(str(order.id))),
        (_("Issued"), left_to_right(f"{order.at:%Y-%m-%d %H:%M:%S} UTC")),
        (_("Desk"), left_to_right(settings.UNMASK_ORIGIN)),
        (_("Issued by"), isolated(str(order.by)) if order.is_named else _a_person(order.by)),
    ]
    rows.append((_("Signed with key"), left_to_right(order.key_id)))
    if order.recipient:
        rows.append((_("Issued for"), isolated(order.recipient)))
    return _section("issue", _("This report"), rows=rows)


def _a_person(by: User) -> str:
    return _("a person of this desk (%(role)s)") % {"role": by.get_role_display()}


def _file(detection: Detection, card: VerdictCard, name: str) -> Section:
    image = detection.image
    rows = [
        ("SHA-256", left_to_right(image.sha256)),
        *([(_("Name as sent"), isolated(name))] if name else []),
        *((label, value) for label, value in file_facts(image)),
        (_("Received"), left_to_right(f"{image.created_at:%Y-%m-%d %H:%M:%S} UTC")),
    ]
    return _section("file", _("The file"), rows=rows, points=card.notes)


def _file_says(detection: Detection, name: str) -> tuple[Section, bool]:
    """As for those who may not see the original, and whether it says that it was generated."""
    image = detection.image
    said = file_section(
        image.facts, file_name=name, received=image.created_at, may_see_original=False
    )
    paragraphs = [*said.marks, *_caveats(said)]
    if image.facts.get("file"):
        paragraphs.append(f"{said.credentials.title}. {said.credentials.sentences[0]}")
    points = [quoting(text) for text in said.findings]
    if not (paragraphs or points):
        return {}, False
    texts = [quoting(text) for text in paragraphs]
    section = _section("file_says", _("What the file says"), paragraphs=texts, points=points)
    return section, bool(said.marks)


def _caveats(said: FileSection) -> list[str]:
    if said.marks:
        return [
            _(
                "Such a mark can be added or removed by anybody, so it changes neither the verdict"
                " nor the number."
            )
        ]
    if said.findings:
        return [_("Metadata is easily changed: it can support a doubt, but it proves nothing.")]
    return []


def _limits(card: VerdictCard) -> Section:
    none = _("No figures were recorded for this model version.")
    title = _("The model, and how well it was measured")
    return _section("limits", title, points=card.limits or [none])


def _unknown() -> Section:
    """What no model of this desk knows; the sentences are those of the page about verdicts."""
    points = [
        _(
            "“Likely manipulated” does not say that somebody lied. It says that the image resembles"
            " generated and manipulated images more than camera images, for this model."
        ),
        _(
            "“Likely authentic” does not say that the caption is true. A real photograph of another"
            " place or year is still a false report."
        ),
        _("New generators appear every month; a model has not seen those that came after it."),
        _(
            "Small local edits, such as one object removed, can go unnoticed. Heavy but honest"
            " editing, such as filters or beauty modes, can look like manipulation."
        ),
        _("Somebody who knows the model can work against it."),
    ]
    return _section("unknown", _("What the model does not know"), points=points)


def _stability(card: VerdictCard) -> Section:
    rows = [
        [str(copy.name), left_to_right(copy.probability), str(copy.verdict)]
        for copy in card.stability
    ]
    if not rows:
        return {}
    if all(copy.is_same for copy in card.stability):
        sentence = _("Every re-saved copy got the same answer.")
    elif card.tone in {"authentic", "manipulated"}:
        sentence = _("It is close: a re-saved or reduced copy by itself would get “cannot tell”.")
    else:
        sentence = _("The answer changes when the picture is merely re-saved or resized.")
    head = [_("Copy"), _("Probability"), _("Verdict")]
    return _section(
        "stability",
        _("Stability under re-saving"),
        paragraphs=[sentence],
        table={"head": head, "rows": rows, "widths": [5, 2, 3]},
    )


def _faces(detection: Detection) -> Section:
    rows = [
        [str(face.number), left_to_right(face.probability), str(face.verdict)]
        for face in judged_faces(detection)
    ]
    if not rows:
        return {}
    sentence = _(
        "Each face by itself. The number of one face is no verdict: the verdict weighs each face"
        " together with the picture as a whole."
    )
    head = [_("Face"), _("Probability"), _("By its number alone")]
    return _section(
        "faces",
        _("Faces"),
        paragraphs=[sentence],
        table={"head": head, "rows": rows, "widths": [2, 3, 5]},
    )


def _model(detection: Detection, card: VerdictCard) -> Section:
    version, done = detection.model_version, detection.completed_at
    rows = [
        (_("Model"), isolated(version.name)),
        (_("Version"), isolated(version.version)),
        (_("Artifact SHA-256"), left_to_right(version.artifact_sha256)),
        (_("Operating point"), _cuts(card) or NO_FORMAT),
        (_("Detection"), left_to_right(str(detection.pk))),
    ]
    if done:
        rows.append((_("Finished"), left_to_right(f"{done:%Y-%m-%d %H:%M:%S} UTC")))
    return _section("model", _("The model"), rows=rows)


def _custody(custody: Custody) -> Section:
    paragraphs = [
        _(
            "From the audit trail of this desk, in UTC. People have numbers here; the desk knows"
            " who they are."
        )
    ]
    if custody.left_out:
        paragraphs.append(
            _("Older events are left out: %(count)s.")
            % {"count": number_format(custody.left_out, force_grouping=True)}
        )
    rows = [[n, left_to_right(at), what, who] for n, at, what, who in custody.rows]
    head = [_("No."), _("When"), _("What"), _("By whom")]
    return _section(
        "custody",
        _("Chain of custody"),
        paragraphs=paragraphs,
        table={"head": head, "rows": rows, "widths": [1, 3, 4, 4]},
    )


def _checking() -> Section:
    page = left_to_right(f"{settings.UNMASK_ORIGIN}/verify-report")
    command = left_to_right(f"unmask verify-report FILE --server {settings.UNMASK_ORIGIN}")
    points = [
        _("On the desk: give the file to %(address)s") % {"address": page},
        _("On your own machine: %(command)s") % {"command": command},
        _(
            "Both say whether a byte was changed since it was issued, and whether a later verdict"
            " or review has taken its place. A print or a screenshot cannot be checked."
        ),
    ]
    return _section("checking", _("How to check this report"), points=points)
