"""The model card, written from an artifact's sidecar so that no figure in it is typed by hand."""

from collections.abc import Iterable
from typing import Any

from ml.artifact import Artifact
from ml.decision import OperatingPoint
from ml.evaluation import APART, POOLED
from ml.operating_point import RESAVED

COLUMNS = {
    "auc": "AUC",
    "coverage": "decided",
    "false_accusations": "reals accused",
    "reals_cleared": "reals cleared",
    "fakes_caught": "fakes caught",
    "fakes_missed": "fakes missed",
}

HEADINGS = {
    "test": "Test images",
    "val": "Validation images (the cuts were chosen on these)",
    "test_degraded": "Test images, all sources, saved again or reduced first",
}


def render(artifact: Artifact) -> str:
    """The card as Markdown."""
    parts = [_head(artifact), _operating_point(artifact), _figures(artifact)]
    parts += [_calibration(artifact), _limits(artifact), _origin(artifact), _licences(artifact)]
    return "\n\n".join(parts) + "\n"


def _head(artifact: Artifact) -> str:
    return f"""# Model card: {artifact.name} {artifact.version}

Written by `python -m ml card` from the artifact's own sidecar; a test compares the two.

Artifact SHA-256 `{artifact.sha256}`.
Network `{artifact.architecture}`: {_views(artifact)}

**For** a first look at a photograph that a person then examines: the verdict comes with its
error rates and with what else the file says. **Not for** deciding anything about anybody by
itself, for video, drawings or documents, and not as proof of anything."""


def _resaved(artifact: Artifact) -> str:
    if len(artifact.preprocessing.views) == 1:
        return ""
    return ", as they are and re-saved (" + ", ".join(f"`{name}`" for name in RESAVED) + ")"


VIEWS = {
    "whole": "the whole picture",
    "cut": "cuts of it at full size",
    "face": "each of its largest faces",
}


def _views(artifact: Artifact) -> str:
    rules, weights = artifact.preprocessing, artifact.combination.to_json()
    judged = [kind for kind in rules.views if weights[kind]]
    kinds = ", ".join(VIEWS[kind] for kind in judged)
    sentence = f"{kinds}, at {rules.size} by {rules.size} pixels, {rules.resample} filter."
    if len(rules.views) == 1:
        return sentence
    shares = ", ".join(f"{kind} {weights[kind]:g}" for kind in judged)
    return (
        f"{sentence} Their logits are one by a weighted mean of the kinds ({shares}); several "
        f"faces are one by their {artifact.combination.face_rule.replace('_', ' ')}. "
        f"Without a face the mean counts {weights['faceless_scale']:.2f} times, plus "
        f"{weights['faceless_offset']:.2f}, so that a probability means the same."
        + _copies(artifact.combination.copies)
    )


def _copies(share: float) -> str:
    if not share:
        return ""
    return (
        f" The re-saved copies of the stability check count too: the logit moves {share:.2f} of "
        "the way to their mean, so that saving a picture again changes it less."
    )


def _operating_point(artifact: Artifact) -> str:
    point = artifact.operating_point
    accused = _percent(point.max_false_accusation_rate)
    missed = _percent(point.max_missed_fake_rate)
    return f"""## Operating point

P(fake) from {point.manipulated_from:.3f} on is `likely_manipulated`: the lowest cut at which at
most {accused} of the real validation images are called manipulated, in the pool and among the
ordinary photographs on their own{_resaved(artifact)}.
Under {point.authentic_below:.3f} it is `likely_authentic`:
the highest cut under which at most {missed} of the fake validation images fall. Between them,
`inconclusive`. Chosen on validation images alone.

`inconclusive` as well, whatever the probability:

{_vetoes(point)}"""


def _vetoes(point: OperatingPoint) -> str:
    transforms = ", ".join(f"`{name}`" for name in point.stability_transforms)
    lines = [
        f"`too_small`: the shorter side is under {point.min_side_px} pixels"
        + (
            f", or a small view holds less detail than {point.min_detail:.2f} of 255"
            if point.min_detail is not None
            else ""
        )
        + "; no probability is given",
        f"`unstable`: {_unstable(point)} {transforms}",
        "`transparency`: judged flattened on white",
    ]
    if point.max_blockiness is not None:
        lines.append(
            f"`heavy_compression`: the borders of 8 by 8 blocks stand out more than "
            f"{point.max_blockiness:.2f} times"
        )
    if point.max_distance is not None:
        lines.append(
            f"`out_of_domain`: the features lie further than {point.max_distance:.2f} from those "
            "of the training images" + _no_photograph(point)
        )
    return _bullets(lines)


def _unstable(point: OperatingPoint) -> str:
    if point.stability_side is None:
        return "a decided verdict changes under"
    return f"the verdict is decided, and P(fake) crosses {point.stability_side:.2f} under"


def _no_photograph(point: OperatingPoint) -> str:
    if point.max_flatness is None or point.min_correlation is None:
        return ""
    return (
        f"; or more than {_percent(point.max_flatness)} of neighbouring pixels are equal, as in "
        f"drawings, or they correlate by less than {point.min_correlation:.2f}, as in noise"
    )


def _figures(artifact: Artifact) -> str:
    sections = ["## Figures\n\nShares in per cent with 95 % intervals (Wilson; AUC: DeLong)."]
    sections.append(
        f"`{POOLED}` is every source but {_join(APART)}, which holds real pictures passed through "
        "an autoencoder: nobody saw them as a manipulation, and they are counted apart."
    )
    for split, heading in HEADINGS.items():
        if split in artifact.metrics:
            sections.append(f"### {heading}\n\n{_table(artifact.metrics[split])}")
    sections += [_moved(artifact), _worst_source(artifact)]
    sections += [_veto_line(artifact, split) for split in ("val", "test")]
    return "\n\n".join(sections)


def _table(report: dict[str, Any]) -> str:
    lines = [f"| source | reals | fakes | {' | '.join(COLUMNS.values())} |"]
    lines.append("|" + " --- |" * (3 + len(COLUMNS)))
    for source, row in report.items():
        counts = f"{row['n'] - row['n_fake']} | {row['n_fake']}"
        figures = " | ".join(_figure(row[key], key) for key in COLUMNS)
        lines.append(f"| {source} | {counts} | {figures} |")
    return "\n".join(lines)


def _moved(artifact: Artifact) -> str:
    lines = ["| copy | verdicts before | reversed | withdrawn | coverage kept |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name, row in artifact.metrics["test_degraded"].items():
        moved = [_figure(row[key], key) for key in ("verdicts_reversed", "verdicts_withdrawn")]
        kept = row.get("coverage_kept")
        shown = "–" if kept is None else f"{kept:.2f}"
        lines.append(
            f"| {name} | {row['verdicts_reversed']['n']} | {' | '.join(moved)} | {shown} |"
        )
    text = "What the same damage does to verdicts already given:\n\n" + "\n".join(lines)
    copies = artifact.metrics.get("copies")
    if not copies:
        return text
    reversed_, changed = (_figure(copies[key], key) for key in ("any_reversed", "any_changed"))
    return (
        f"{text}\n\nOver all these copies of a picture together: on some copy the verdict turned "
        f"into its opposite for {reversed_} per cent of {copies['any_reversed']['n']} pictures, "
        f"and changed in any way for {changed} per cent. Copies are decided "
        f"{copies['coverage_kept']:.2f} times as often as originals."
    )


def _worst_source(artifact: Artifact) -> str:
    rows = artifact.metrics["test"].items()
    rates = {source: row["false_accusations"] for source, row in rows if source != POOLED}
    counted = {source: rate for source, rate in rates.items() if rate["value"] is not None}
    worst = max(counted, key=lambda source: counted[source]["value"])
    shown = _figure(counted[worst], "false_accusations")
    return (
        "A rate that holds in the pool need not hold for each kind of picture. Most often accused "
        f"among the test images are the reals of `{worst}`: {shown} per cent of "
        f"{counted[worst]['n']}."
    )


def _veto_line(artifact: Artifact, split: str) -> str:
    row = artifact.metrics[split][POOLED]
    vetoes = ", ".join(f"`{code}` {n}" for code, n in sorted(row["vetoes"].items())) or "none"
    return f"Vetoes on {row['n']} {split} images: {vetoes}; each leaves one image undecided."


def _calibration(artifact: Artifact) -> str:
    fitted, row = artifact.calibration, artifact.metrics["test"][POOLED]
    return f"""## Calibration

Platt scaling fitted on {fitted.n} validation images of which {_percent(fitted.fake_share)} are
fakes; the probability presumes about that share. On test: Brier error {row["brier_error"]:.3f},
calibration error {row["calibration_error"]:.3f}{_debiased(row)}, n = {row["n"]}."""


def _debiased(row: dict[str, Any]) -> str:
    if "debiased_calibration_error" not in row:
        return ""
    error, floor = row["debiased_calibration_error"], row["calibration_floor"]
    return f" (debiased {error:.3f}, where chance alone reaches {floor:.3f})"


def _limits(artifact: Artifact) -> str:
    return "## Limits\n\n" + _bullets(artifact.limits)


def _origin(artifact: Artifact) -> str:
    told = artifact.training
    config, train, val = told["config"], told["train"], told["val"]
    return f"""## Training

{train["n"]} images ({train["n_real"]} real, {train["n_fake"]} fake), {val["n"]} watched for the
best epoch: {told["best_epoch"]} of {told["epochs"]}. Learning rate
{config["learning_rate"]:g}, batch {config["batch_size"]}, seed {config["seed"]},
Keras {told["keras"]}. Manifest SHA-256 `{told["manifest_sha256"]}`.{_mixed(told)}"""


def _mixed(told: dict[str, Any]) -> str:
    """What `ml.mixing` did with the weights, where they are a mixture."""
    parts = [
        f"{part['share']:g} of the way to `{part['name']}` ({part['epochs']} epochs, "
        f"{part['n']} of the images)"
        for part in told.get("mixed", ())
    ]
    if not parts:
        return ""
    begun = told["config"]["starts_from"]
    return f"""

The figures of this section are those of `{begun}`.
Its weights were then moved: {"; ".join(parts)}."""


def _licences(artifact: Artifact) -> str:
    return "## Licences of the training images\n\n" + _bullets(artifact.licence_notes)


def _figure(value: dict[str, Any], key: str) -> str:
    if value["value"] is None:
        return "–"
    factor, digits = (1, 2) if key == "auc" else (100, 1)
    shown = [f"{value[name] * factor:.{digits}f}" for name in ("value", "low", "high")]
    return f"{shown[0]} ({shown[1]}–{shown[2]})"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _join(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
