"""A further training of the default in which small sources are taught by blends, not by heart.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_blended --data path/to/manifest.csv \
    --run runs/blended --start ml/artifacts/default
Longer trainings knew the 800 images of a small source by heart and lost it elsewhere. Here a third
of the pairs are a real and a blend of it that is made on the spot, with a face that fits and in
half of them colours that meet, and the small sources' own fakes are drawn less often. 57,600
showings, every view with a saved copy; wanted on validation are 0.925 as a mean of six sources
(0.916 at the start) and no less of `photoshop` and `lfw_faceswap`.
"""

from dataclasses import replace

from ml.configs import lite_full, lite_steady
from ml.experiment import ViewSchedule

SIZES = (224,) * 9

RECIPE = replace(
    lite_full.RECIPE,
    aligned_share=0.08,
    blended_share=0.35,
    donors=24,
    seamless_share=0.5,
    face_share=0.35,
    source_emphasis=(
        ("dfdc", 1.2),
        ("gan_portraits", 0.6),
        ("lfw_faceswap", 0.6),
        ("photoshop", 0.9),
        ("stylegan_ffhq", 1.6),
        ("text_to_image", 1.3),
    ),
    copy=lite_steady.RECIPE.copy,
)

CONFIG = replace(
    lite_full.CONFIG,
    name="lite_blended",
    epochs=len(SIZES),
    batch_size=64,
    learning_rate=2e-4,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=100,
        warmup_steps=50,
        steadiness=0.15,
    ),
    starts_from="lite_full",
)
