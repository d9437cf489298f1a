"""The default network goes on learning at a desk: a few thousand pairs, gently.

python -m ml train desk_lite --data path/to/manifest.csv --run runs/desk \
    --start ml/artifacts/default --learnt learnt.txt
Half of the pairs are old ones, so that it does not forget; the filters that see edges stay as they
are, which nearly halves a step. Without a start it begins with the weights from ImageNet.
Running time: 1.25 s of processor time a step (n = 4 steps), ten minutes of it for 450 steps; then
every validation and test image is judged as when serving, copies too, which takes longer.
"""

from dataclasses import replace

from ml.configs import lite_full
from ml.experiment import ViewSchedule
from ml.networks.lite import EDGES

SIZES = (224,) * 3

CONFIG = replace(
    lite_full.CONFIG,
    name="desk_lite",
    epochs=len(SIZES),
    learning_rate=1e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=replace(lite_full.RECIPE, source_emphasis=()),
        steps_per_epoch=150,
        warmup_steps=40,
    ),
    starts_from=None,
    goes_on=True,
    replay_share=0.5,
    frozen=EDGES,
)
