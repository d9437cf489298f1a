"""The default network on a schedule short enough to be run once without each source.

python -m ml leave-one-out lite_short --data path/to/manifest.csv --runs runs/without \
    --out runs/without.json
4,800 pairs of views each, from ImageNet weights: a start that knew the source would be no test.
"""

from dataclasses import replace

from ml.configs.lite_full import CONFIG as FULL
from ml.configs.lite_full import RECIPE
from ml.experiment import ViewSchedule
from ml.networks.lite import EDGES

SIZES = (160,) * 3

CONFIG = replace(
    FULL,
    name="lite_short",
    epochs=len(SIZES),
    learning_rate=5e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=replace(RECIPE, aligned_share=0.2, blended_share=0.2),
        steps_per_epoch=100,
        warmup_steps=40,
        watched=128,
    ),
    starts_from=None,
    frozen=EDGES,
    is_exportable=False,
)
