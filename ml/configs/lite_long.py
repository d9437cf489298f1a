"""A third training of the default, not shipped: as many views again, at 224 and 256 pixels.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_long --data path/to/manifest.csv --run runs/long \
    --start ml/artifacts/default
Every layer learns, and every view is shown twice, the second time as somebody would save it again.
`python -m ml train` trains it too, in three times the time.
"""

from dataclasses import replace

from ml.configs import lite_full, lite_served
from ml.experiment import ViewSchedule
from ml.preprocess import Preprocessing

SIZES = (224,) * 8 + (256,) * 12

CONFIG = replace(
    lite_full.CONFIG,
    name="lite_long",
    preprocessing=Preprocessing(size=256, resample="bicubic", scale=1 / 128, offset=127),
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=5e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=lite_served.RECIPE,
        steps_per_epoch=150,
        warmup_steps=150,
        weight_decay=0.02,
        steadiness=0.2,
    ),
    starts_from="lite_full",
)
