"""A specialist: faces that were swapped or put together, mostly blends made on the spot.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_swapped --data path/to/manifest.csv \
    --run runs/swapped --start ml/artifacts/default
What a small source's own fakes teach, a long training learns by heart; of blends there is no end.
Other sources are drawn seldom: their reals are there to be blended.
"""

from dataclasses import replace

from ml.configs import lite_full, lite_steady
from ml.experiment import ViewSchedule

SIZES = (224,) * 6

RECIPE = replace(
    lite_full.RECIPE,
    aligned_share=0.0,
    blended_share=0.35,
    background_share=0.04,
    crop_share=0.15,
    face_share=0.45,
    rescale_share=0.4,
    min_scale=0.55,
    source_emphasis=(
        ("gan_portraits", 0.05),
        ("lfw_faceswap", 0.4),
        ("photoshop", 0.6),
        ("stylegan_ffhq", 0.05),
        ("text_to_image", 0.05),
    ),
    damage=lite_steady.RECIPE.damage,
    copy=lite_steady.RECIPE.copy,
)

CONFIG = replace(
    lite_full.CONFIG,
    name="lite_swapped",
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=3e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=100,
        warmup_steps=50,
        steadiness=0.3,
    ),
    starts_from="lite_full",
)
