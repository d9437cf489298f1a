"""What each layer of evidence is, how it is read and when it misleads; the same on page and API."""

from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

MANY_PAIRS = 4


@dataclass(frozen=True)
class LayerWords:
    """One sentence each on how to read a layer and on when it misleads."""

    reads: str | Promise
    misleads: str | Promise


LAYERS: dict[str, LayerWords] = {
    "activation": LayerWords(
        gettext_lazy(
            "Marked is where the model found signs of manipulation: the lighter, the stronger."
        ),
        gettext_lazy(
            "It shows where the model looked, not what was changed, and a wrong verdict has "
            "marks, too."
        ),
    ),
    "ela": LayerWords(
        gettext_lazy(
            "The picture was saved once more as JPEG, and a place is the lighter the more it "
            "changed: look for a part that differs from others with the same kind of detail."
        ),
        gettext_lazy(
            "Edges, fine texture, strong colours and text are always light, and sharing by a "
            "messenger or network evens everything out, so a light place is no proof of "
            "manipulation and an even picture is no proof of the opposite."
        ),
    ),
    "noise": LayerWords(
        gettext_lazy(
            "The lighter a place, the stronger its fine noise: look for a part whose noise differs "
            "from surroundings of the same brightness."
        ),
        gettext_lazy(
            "Texture such as hair, grass or cloth counts as noise, and sky, blur, darkness and "
            "noise reduction of phones look smooth without any manipulation."
        ),
    ),
    "spectrum": LayerWords(
        gettext_lazy(
            "Slow changes are in the middle, fine ones at the edge; isolated bright points away "
            "from the cross mean a pattern that repeats, such as that of enlarging, of a screen or "
            "of some image generators."
        ),
        gettext_lazy(
            "Fences, fabrics, printed screens and simple resizing make such points as well, many "
            "generated pictures have none, and the cross in the middle only shows straight edges."
        ),
    ),
    "grid": LayerWords(
        gettext_lazy(
            "Marked are places whose JPEG blocks lie on another grid than the rest: that part may "
            "have been saved as JPEG before and then moved here."
        ),
        gettext_lazy(
            "Most parts that were put in stay unseen, nearly all of them once the picture is saved "
            "as JPEG again, and collages, screenshots and frames show several grids honestly."
        ),
    ),
    "clones": LayerWords(
        gettext_lazy(
            "Two places with the same colour and letter look alike beyond chance: compare them at "
            "full zoom for a copied stain, stone or head."
        ),
        gettext_lazy(
            "Windows, tiles, text and patterns repeat by themselves, and copies that were turned, "
            "scaled, mirrored or smaller than about a thirtieth of the width are not found."
        ),
    ),
}


def findings(kind: str, figures: dict[str, Any]) -> list[str]:
    """What was found in this picture, in sentences."""
    return _FINDINGS[kind](figures) if figures else []


def _of_ela(figures: dict[str, Any]) -> list[str]:
    return [
        _("Saved again at quality %(quality)s; differences are shown %(times)s times as strong.")
        % {
            "quality": number_format(figures["quality"]),
            "times": number_format(figures["amplification"]),
        }
    ]


def _of_noise(figures: dict[str, Any]) -> list[str]:
    return [
        _(
            "Of 255 levels, the noise is %(median)s in the middle of all places;"
            " black stands for %(low)s, white for %(high)s."
        )
        % {name: number_format(figures[name]) for name in ("median", "low", "high")}
    ]


def _of_spectrum(figures: dict[str, Any]) -> list[str]:
    if not figures["peaks"]:
        return [_("No isolated points were found.")]
    return [
        ngettext(
            "%(count)s isolated point was found; it repeats every %(period)s pixels.",
            "%(count)s isolated points were found; the strongest repeats every %(period)s pixels.",
            figures["peaks"],
        )
        % {
            "count": number_format(figures["peaks"]),
            "period": number_format(figures["strongest"][0]["period"]),
        }
    ]


def _of_grid(figures: dict[str, Any]) -> list[str]:
    sentences = [_usual_grid(figures), _other_grids(figures)]
    if "was_saved_before" in figures:
        sentences.append(_history(figures))
    return sentences


def _usual_grid(figures: dict[str, Any]) -> str:
    if not figures["with_usual_grid"]:
        return _("No JPEG grid can be seen in this picture.")
    return _("A grid that begins at %(x)s, %(y)s was seen in %(seen)s of %(cells)s places.") % {
        "x": number_format(figures["usual_grid"][0]),
        "y": number_format(figures["usual_grid"][1]),
        "seen": number_format(figures["with_usual_grid"]),
        "cells": number_format(figures["cells"]),
    }


def _other_grids(figures: dict[str, Any]) -> str:
    count = figures["with_other_grid"]
    if not count:
        return _("No place shows another grid.")
    return ngettext(
        "%(count)s place shows another grid and is marked.",
        "%(count)s places show another grid and are marked.",
        count,
    ) % {"count": number_format(count)}


def _history(figures: dict[str, Any]) -> str:
    answer, quality = figures["was_saved_before"], figures["earlier_quality"]
    if answer == "unknown":
        return _("Whether the file was saved as JPEG before cannot be told.")
    if answer == "no":
        return _(
            "No sign of an earlier saving as JPEG was found; one at a higher or the same quality"
            " would leave none."
        )
    if quality is None:
        return _(
            "The file was probably saved as JPEG before, as most pictures are that were edited or"
            " shared."
        )
    return _(
        "The file was probably saved as JPEG before, at a quality of about %(quality)s, as most"
        " pictures are that were edited or shared."
    ) % {"quality": number_format(quality)}


def _of_clones(figures: dict[str, Any]) -> list[str]:
    count = len(figures["pairs"])
    if not count:
        return [_("No repeated parts were found.")]
    pairs = ngettext(
        "%(count)s pair of like places is marked.",
        "%(count)s pairs of like places are marked.",
        count,
    ) % {"count": number_format(count)}
    if count < MANY_PAIRS:
        return [pairs]
    return [pairs, _("So many speak for a picture that repeats itself, and say little.")]


_FINDINGS = {
    "ela": _of_ela,
    "noise": _of_noise,
    "spectrum": _of_spectrum,
    "grid": _of_grid,
    "clones": _of_clones,
}
