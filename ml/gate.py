"""Whether a new model may follow the last one: no cell of the report may fall."""

from typing import Any

from ml.evaluation import POOLED

MAX_AUC_FALL = 0.02
CLEAN, RESAVED = "clean", "jpeg_70"
MAX_ACCUSATION_RATIO = 2.0
# Beyond what the reals of a split can resolve a ratio says nothing.
MIN_ACCUSATIONS = 0.005


def obstacles(new: dict[str, Any], last: dict[str, Any]) -> list[str]:
    """Why the new report's model may not be released after the last one's; empty if it may.

    Args:
        new, last: dicts of `ml.report.build_report` over the same pictures.
    Raises:
        ValueError: the two did not judge the same pictures or the same kinds of damage.
    """
    if new["n"] != last["n"] or set(last["cells"]) - set(new["cells"]):
        raise ValueError("the reports do not cover the same pictures and kinds of damage")
    found = []
    for cell, slices in last["cells"].items():
        for source, row in slices.items():
            before = row["auc"]["value"]
            after = new["cells"][cell].get(source, {}).get("auc", {}).get("value")
            if before is not None and (after is None or after < before - MAX_AUC_FALL):
                found.append(f"AUC of {source} under {cell}: {before} before, {after} now")
    return [*found, *_accusations(new)]


def _accusations(new: dict[str, Any]) -> list[str]:
    """Reals that were merely re-saved must not be accused much more often than originals."""
    if RESAVED not in new["cells"]:
        return []
    clean, resaved = (
        new["cells"][cell][POOLED]["false_accusations"]["value"] or 0.0 for cell in (CLEAN, RESAVED)
    )
    if resaved <= MAX_ACCUSATION_RATIO * max(clean, MIN_ACCUSATIONS):
        return []
    return [f"reals accused under {RESAVED}: {resaved}, as they are: {clean}"]
