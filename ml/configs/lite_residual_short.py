"""The default network on a schedule short enough to be run once without each source.

python -m ml leave-one-out lite_residual_short --data path/to/manifest.csv --runs runs/without \
    --out runs/without.json
3,520 pairs of views each, where the default saw 48,000 and 20,000 more.
"""

from dataclasses import replace

from ml.configs.lite_residual import CONFIG as FULL
from ml.experiment import ViewSchedule

SIZES = (160,) * 2

CONFIG = replace(
    FULL,
    name="lite_residual_short",
    epochs=len(SIZES),
    views=ViewSchedule(sizes=SIZES, steps_per_epoch=110, warmup_steps=40, watched=128),
    is_exportable=False,
)
