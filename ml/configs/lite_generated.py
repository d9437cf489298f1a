"""A specialist: pictures that a generator made from edge to edge, and nothing else.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_generated --data path/to/manifest.csv \
    --run runs/generated --start ml/artifacts/default
For mixing (`ml/mixing.py`) alone: it learnt from a part of the sources, and export refuses it.
57,600 showings in about twenty minutes; expected are AUCs of 0.96 and 0.95 on `stylegan_ffhq` and
`text_to_image`.
"""

from ml.configs import lite_steady
from ml.datasets.damage import Damage
from ml.datasets.selections import generated_wholly
from ml.datasets.views import ViewRecipe
from ml.experiment import TrainingConfig, ViewSchedule
from ml.preprocess import Preprocessing

SIZES = (192,) * 3 + (224,) * 6

RECIPE = ViewRecipe(
    aligned_share=0.12,
    blended_share=0.0,
    crop_share=0.30,
    face_share=0.20,
    rescale_share=0.25,
    min_scale=0.7,
    max_scale=1.25,
    min_keep=0.85,
    max_aspect=1.2,
    source_emphasis=(("gan_portraits", 0.5), ("stylegan_ffhq", 1.3)),
    damage=Damage(
        blur_share=0.03,
        noise_share=0.03,
        screenshot_share=0.0,
        save_share=0.25,
        max_saves=1,
        min_quality=60,
    ),
    copy=lite_steady.RECIPE.copy,
)

CONFIG = TrainingConfig(
    name="lite_generated",
    network="lite",
    preprocessing=Preprocessing(size=224, resample="bicubic", scale=1 / 128, offset=127),
    select=generated_wholly,
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=4e-4,
    checkpoint="last",
    augmentation=None,
    degradation=None,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=100,
        warmup_steps=50,
        steadiness=0.15,
    ),
    starts_from="lite_full",
)
