"""The layers of evidence on the page of a detection: which there are, and which is shown."""

from dataclasses import dataclass, field

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from detection import words
from detection.explanation import overlay
from detection.layer_words import LAYERS, findings
from detection.models import Detection, EvidenceLayer
from detection.services import layers

PICTURE, ACTIVATION = "picture", "activation"
# Marks lie over the picture; a picture of its own stands beside it until somebody lays it over;
# frequencies are no places of the picture and stay beside it.
OVER, BESIDE, APART = "over", "beside", "apart"
LAID = {"ela": BESIDE, "noise": BESIDE, "spectrum": APART, "grid": OVER, "clones": OVER}
NAMES: dict[str, str | Promise] = {PICTURE: _("Picture alone"), ACTIVATION: _("Activation map")}


@dataclass(frozen=True)
class LayerView:
    """One layer in the list and, if it is chosen, beside or over the picture.

    Attributes:
        status: picture, none, waiting, done or failed.
        laid: over, beside or apart.
        src: address of its picture; empty unless done.
        failure: why there is none, in a sentence.
        can_ask: whether asking (again) may give one.
    """

    kind: str
    name: str | Promise
    status: str
    laid: str = OVER
    src: str = ""
    reads: str | Promise = ""
    misleads: str | Promise = ""
    findings: list[str] = field(default_factory=list)
    failure: str = ""
    can_ask: bool = False


@dataclass(frozen=True)
class LayersView:
    """All layers, in the order of their number keys, and the one that is shown."""

    every: list[LayerView]
    chosen: LayerView

    @property
    def is_waiting(self) -> bool:
        return self.chosen.status == "waiting"


def layers_view(detection: Detection, chosen: str) -> LayersView | None:
    """None where there is no verdict, and so no preview to lay anything over."""
    if detection.status != Detection.Status.DONE:
        return None
    rows = layers.of_image(detection.image)
    every = [LayerView(PICTURE, NAMES[PICTURE], "picture"), *_activation(detection)]
    every += [_view(detection, kind, rows.get(kind)) for kind in LAID]
    shown = next((view for view in every if view.kind == chosen), every[0])
    return LayersView(every, shown)


def _activation(detection: Detection) -> list[LayerView]:
    if overlay(detection) is None:
        return []
    said = LAYERS[ACTIVATION]
    src = reverse("detection_heatmap", args=[detection.pk])
    return [LayerView(ACTIVATION, NAMES[ACTIVATION], "done", OVER, src, said.reads, said.misleads)]


def _view(detection: Detection, kind: str, row: EvidenceLayer | None) -> LayerView:
    status, said = _status(row), LAYERS[kind]
    is_done = row is not None and status == "done"
    code = row.failure_code if row is not None and status == "failed" else ""
    return LayerView(
        kind=kind,
        name=EvidenceLayer.Kind(kind).label,
        status=status,
        laid=LAID[kind],
        src=reverse("detection_layer", args=[detection.pk, kind]) if is_done else "",
        reads=said.reads,
        misleads=said.misleads,
        findings=findings(kind, row.figures) if row is not None and is_done else [],
        failure=words.failure_sentence(code) if code else "",
        can_ask=status == "none" or code in words.TRANSIENT_FAILURES,
    )


def _status(row: EvidenceLayer | None) -> str:
    if row is None:
        return "none"
    if row.is_waiting:
        return "waiting"
    if row.status == EvidenceLayer.Status.FAILED:
        return "failed"
    return "done" if layers.is_there(row) else "none"
