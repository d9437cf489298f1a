"""The default network on a schedule short enough to be run once without each source.

python -m ml leave-one-out lite2_short --data path/to/manifest.csv --runs runs/without \
    --out runs/without.json --drawers 4
From ImageNet weights: a start that knew the source would be no test.
"""

from dataclasses import replace

from ml.configs.lite2_steady import CONFIG as STEADY
from ml.configs.lite2_steady import RECIPE
from ml.experiment import ViewSchedule

SIZES = (192,) * 3

CONFIG = replace(
    STEADY,
    name="lite2_short",
    epochs=len(SIZES),
    learning_rate=6e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=replace(RECIPE, aligned_share=0.2, blended_share=0.25, copy=None),
        steps_per_epoch=80,
        warmup_steps=60,
        weight_decay=0.02,
        watched=128,
    ),
    is_exportable=False,
)
