"""The default network on a schedule short enough to be run once without each source.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_apart --data path/to/manifest.csv \
    --run runs/apart --without-each runs/apart.json
From ImageNet weights: a start that knew the source would be no test. Half of the pairs are a
photograph and the same one blended or passed through an autoencoder: what tells these apart tells
of no source. 16,384 views for each source, about four minutes; wanted is a mean AUC of 0.70.
"""

from dataclasses import replace

from ml.configs.lite_full import CONFIG as FULL
from ml.configs.lite_full import RECIPE
from ml.datasets.selections import all_manipulations_watching_few
from ml.experiment import ViewSchedule

SIZES = (160,) * 3 + (224,)

CONFIG = replace(
    FULL,
    name="lite_apart",
    select=all_manipulations_watching_few,
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=6e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=replace(
            RECIPE,
            aligned_share=0.15,
            blended_share=0.35,
            crop_share=0.25,
            face_share=0.40,
        ),
        steps_per_epoch=64,
        warmup_steps=50,
    ),
    starts_from=None,
    is_exportable=False,
)
