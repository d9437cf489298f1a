"""Training runs as pages show them: words, shares, curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from detection import storage, trainable
from detection.models import TrainingRun
from detection.services.training import LOG_FILE, REGISTERING
from detection.services.training_process import shown_log
from detection.training_words import failure_words, stage_words, status_words

TONES = {
    TrainingRun.Status.QUEUED: "waiting",
    TrainingRun.Status.RUNNING: "waiting",
    TrainingRun.Status.DONE: "authentic",
    TrainingRun.Status.FAILED: "manipulated",
    TrainingRun.Status.CANCELLED: "failed",
}
WIDTH, HEIGHT = 320, 150
LEFT, BOTTOM, TOP, RIGHT = 34, 22, 8, 8
POINTS = 400


@dataclass(frozen=True)
class Line:
    """One line of a chart, as SVG wants its points, and its last value as text."""

    kind: str
    name: str
    points: str
    dots: list[tuple[str, str]]
    last: str


@dataclass(frozen=True)
class Chart:
    """What was measured after each epoch.

    Attributes:
        ticks: value and height of each horizontal rule.
        summary: the same in a sentence, for whoever does not see it.
    """

    title: str
    lines: list[Line]
    ticks: list[tuple[str, str]]
    epochs: int
    summary: str


@dataclass(frozen=True)
class RunView:
    """One run in words.

    Attributes:
        percent: of the stage; None where it cannot be said.
    """

    run: TrainingRun
    network: str
    status: str
    tone: str
    stage: str
    percent: int | None
    remaining: str
    failure: str
    charts: list[Chart]
    log: str
    may_cancel: bool
    is_ending: bool


def run_view(run: TrainingRun) -> RunView:
    """Everything a page says of one run; reads its log."""
    is_running = run.status == TrainingRun.Status.RUNNING
    is_open = not run.is_finished
    ending = is_open and run.cancel_asked_at is not None
    return RunView(
        run=run,
        network=network_words(run.config),
        status=status_words(run.status),
        tone=TONES[TrainingRun.Status(run.status)],
        stage=stage_words(run.stage) if is_running else "",
        percent=100 * run.done // run.total if is_running and run.total else None,
        remaining=_remaining(run) if is_running else "",
        failure=failure_words(run.failure_code) if run.failure_code else "",
        charts=charts(run.history),
        log=shown_log(storage.training_dir(run.pk) / LOG_FILE),
        may_cancel=is_open and not ending and run.stage != REGISTERING,
        is_ending=ending,
    )


def network_words(config: str) -> str:
    """What a config is called where people choose."""
    names = {
        "desk_lite": _("The desk’s own network (EfficientNet-Lite, 224 pixels)"),
        "paper_cnn": _("The network of the original paper (128 pixels)"),
        "desk_small": _("A small one, to try training in minutes (32 pixels)"),
    }
    return names.get(config, config)


def charts(history: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Loss and accuracy over the epochs; nothing before the first has ended."""
    if not history:
        return []
    kinds = (("train", "", _("while learning")), ("val", "val_", _("on validation images")))
    most = max(1e-9, *(value for key in ("loss", "val_loss") for value in _values(history, key)))
    loss, accuracy = (
        [(kind, name, _values(history, f"{before}{key}")) for kind, before, name in kinds]
        for key in ("loss", "accuracy")
    )
    return [
        _chart(_("Loss"), loss, 0.0, most, len(history)),
        _chart(_("Accuracy"), accuracy, 0.0, 1.0, len(history)),
    ]


def lost_words(sources: Sequence[str]) -> str:
    """That a model may forget what this desk cannot show it again; empty where it can."""
    if not sources:
        return ""
    return _(
        "Of the images that the active model learnt from, none are on this desk of: "
        "%(sources)s. Going on from it, it may forget them; the comparison at the end will tell."
    ) % {"sources": ", ".join(sources)}


def size_words(config: str) -> tuple[int, int]:
    """Epochs that a network takes, and as many as may be said."""
    offer = trainable.offer(config)
    return (offer.epochs, offer.max_epochs) if offer else (1, 1)


def _values(history: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [float(epoch.get(key, 0.0)) for epoch in history]


def _chart(
    title: str,
    lines: Sequence[tuple[str, str, list[float]]],
    low: float,
    high: float,
    epochs: int,
) -> Chart:
    drawn = [_line(kind, name, values, low, high) for kind, name, values in lines]
    steps = [low + (high - low) * at / 4 for at in range(5)]
    ticks = [(number_format(step, 2), f"{_y(step, low, high):.1f}") for step in steps]
    summary = "; ".join(f"{line.name}: {line.last}" for line in drawn)
    return Chart(title, drawn, ticks, epochs, summary)


def _line(kind: str, name: str, values: list[float], low: float, high: float) -> Line:
    step = max(1, len(values) // POINTS)
    span = max(1, len(values) - 1)
    places = [
        (
            f"{LEFT + (WIDTH - LEFT - RIGHT) * at / span:.1f}",
            f"{_y(values[at], low, high):.1f}",
        )
        for at in range(0, len(values), step)
    ]
    points = " ".join(f"{x},{y}" for x, y in places)
    dots = places if len(values) <= 30 else []
    return Line(kind, name, points, dots, number_format(values[-1], 3))


def _y(value: float, low: float, high: float) -> float:
    share = (min(max(value, low), high) - low) / (high - low)
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _remaining(run: TrainingRun) -> str:
    """How long its epochs still take; the judging after them is not in it."""
    if run.expected_end_at is None:
        return ""
    left = max(timedelta(), run.expected_end_at - timezone.now())
    minutes = round(left.total_seconds() / 60)
    if minutes < 1:
        return _("less than a minute of learning is left, then it is measured")
    if minutes < 100:
        return ngettext(
            "about %(n)d minute of learning is left, then it is measured",
            "about %(n)d minutes of learning are left, then it is measured",
            minutes,
        ) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext(
        "about %(n)d hour of learning is left, then it is measured",
        "about %(n)d hours of learning are left, then it is measured",
        hours,
    ) % {"n": hours}
