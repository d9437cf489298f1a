"""A short further training of the default, whose aim is one answer about a picture and its copy.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_pull --data path/to/manifest.csv --run runs/pull \
    --start ml/artifacts/default
At half of `lite_full`'s rate and with a strong pull between a view and its copy: what the
pull teaches comes within few epochs, and more of them only teach the images by heart.
"""

from dataclasses import replace

from ml.configs import lite_full, lite_steady
from ml.experiment import ViewSchedule
from ml.preprocess import Preprocessing

SIZES = (224,) * 5

RECIPE = replace(
    lite_full.RECIPE,
    source_emphasis=(
        ("dfdc", 0.9),
        ("gan_portraits", 0.7),
        ("photoshop", 1.5),
        ("stylegan_ffhq", 1.6),
        ("text_to_image", 1.5),
    ),
    copy=lite_steady.RECIPE.copy,
)

CONFIG = replace(
    lite_full.CONFIG,
    name="lite_pull",
    preprocessing=Preprocessing(size=224, resample="bicubic", scale=1 / 128, offset=127),
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=2e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=100,
        warmup_steps=50,
        steadiness=0.5,
    ),
    starts_from="lite_full",
)
