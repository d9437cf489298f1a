"""A further training of the default, not shipped: one answer about a picture and its copy.

python -m ml train lite_steady --data path/to/manifest.csv --run runs/steady \
    --start ml/artifacts/default
Every view is shown twice, nearly as it is and as somebody would save it again, and the loss asks
for one logit. The first showing is damaged less than before, for the traces that a second save
wears away; sources that lagged are drawn more often. The last epoch sees what is served.
"""

from dataclasses import replace

from ml.configs import lite_full
from ml.datasets.damage import Damage
from ml.datasets.recipe import CopyRecipe
from ml.experiment import ViewSchedule
from ml.networks.lite import EDGES
from ml.preprocess import Preprocessing

SIZES = (224,) * 7 + (256,) * 2

RECIPE = replace(
    lite_full.RECIPE,
    aligned_share=0.10,
    crop_share=0.20,
    rescale_share=0.35,
    min_scale=0.6,
    source_emphasis=(
        ("dfdc", 0.8),
        ("gan_portraits", 0.6),
        ("photoshop", 1.6),
        ("stylegan_ffhq", 2.2),
        ("text_to_image", 1.6),
    ),
    damage=Damage(
        blur_share=0.04,
        max_blur_px=1.0,
        noise_share=0.05,
        screenshot_share=0.02,
        save_share=0.35,
        max_saves=1,
        min_quality=60,
    ),
    copy=CopyRecipe(
        damage=Damage(
            tone_share=0.1,
            blur_share=0.05,
            max_blur_px=1.0,
            noise_share=0.05,
            screenshot_share=0.1,
            save_share=0.9,
            max_saves=2,
            min_quality=40,
        )
    ),
)

CONFIG = replace(
    lite_full.CONFIG,
    name="lite_steady",
    preprocessing=Preprocessing(size=256, resample="bicubic", scale=1 / 128, offset=127),
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=2e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=150,
        warmup_steps=100,
        steadiness=0.3,
    ),
    frozen=EDGES,
    starts_from="lite_full",
)
