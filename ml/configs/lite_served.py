"""A further training of the default at 256 pixels, on views cut as serving cuts them.

python -m ml train lite_served --data path/to/manifest.csv --run runs/served \
    --start ml/artifacts/default
The pull between a view and its copy is half of `lite_steady`'s, and faces keep the share that they
have in `lite_full`: `lite_steady` lost them.
"""

from dataclasses import replace

from ml.configs import lite2_steady, lite_full
from ml.experiment import ViewSchedule
from ml.networks.lite import EDGES
from ml.preprocess import Preprocessing

SIZES = (224,) * 4 + (256,) * 6

RECIPE = replace(
    lite2_steady.RECIPE,
    source_emphasis=(
        ("dfdc", 0.9),
        ("gan_portraits", 0.6),
        ("photoshop", 1.6),
        ("stylegan_ffhq", 1.8),
        ("text_to_image", 1.6),
    ),
)

CONFIG = replace(
    lite_full.CONFIG,
    name="lite_served",
    preprocessing=Preprocessing(size=256, resample="bicubic", scale=1 / 128, offset=127),
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=3e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=150,
        warmup_steps=150,
        steadiness=0.15,
    ),
    frozen=EDGES,
    starts_from="lite_full",
)
