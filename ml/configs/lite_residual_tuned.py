"""The default artifact: `lite_residual`, taught to look past what a picture shows.

python -m ml train lite_residual_tuned --data path/to/manifest.csv --run runs/tuned \
    --start runs/lite_residual
Why: after the first 48,000 pairs it took animals and plants for generated pictures, since among
its training images nearly all such scenes were. So more pairs are aligned, some have no face in
either half, and the tiles of some cuts change places.
"""

from ml.configs.lite_residual import CONFIG as FIRST
from ml.datasets.recipe import ViewRecipe
from ml.datasets.selections import all_manipulations
from ml.experiment import TrainingConfig, ViewSchedule

SIZES = (160,) * 5

CONFIG = TrainingConfig(
    name="lite_residual_tuned",
    network=FIRST.network,
    preprocessing=FIRST.preprocessing,
    select=all_manipulations,
    epochs=len(SIZES),
    learning_rate=2.5e-4,
    checkpoint="last",
    augmentation=None,
    degradation=None,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=ViewRecipe(aligned_share=0.20, background_share=0.12, shuffle_share=0.35),
        warmup_steps=60,
    ),
    starts_from="lite_residual",
)
