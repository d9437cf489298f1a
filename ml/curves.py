"""Loss and accuracy per epoch as an SVG file."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

PANELS = (("loss", "Loss"), ("accuracy", "Accuracy"))


def draw_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Training and validation side by side; `history` has one row an epoch."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for axes, (key, title) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        axes.plot(epochs, [row[key] for row in history], marker=".", label="train")
        axes.plot(epochs, [row[f"val_{key}"] for row in history], marker=".", label="validation")
        axes.set(title=title, xlabel="Epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, format="svg")
