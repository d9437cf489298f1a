"""Without each source a third time: three times as long, and blends that fit.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_apart_long --data path/to/manifest.csv \
    --run runs/apart_long --without-each runs/apart_long.json
As `lite_apart`, but another's face is the one of 24 whose landmarks fit best, and in half of the
blends its colours meet those around it; the kinds of forgery are drawn more evenly; a view's score
is the mean of its own and its mirror image's. 49,152 views for each source, ten minutes; wanted is
a mean AUC of 0.70.
"""

from dataclasses import replace

from ml.configs import lite_apart
from ml.configs.lite_full import RECIPE
from ml.experiment import ViewSchedule

SIZES = (160,) * 8 + (224,) * 4

CONFIG = replace(
    lite_apart.CONFIG,
    name="lite_apart_long",
    epochs=len(SIZES),
    views=ViewSchedule(
        sizes=SIZES,
        recipe=replace(
            RECIPE,
            aligned_share=0.15,
            blended_share=0.35,
            donors=24,
            seamless_share=0.5,
            crop_share=0.25,
            face_share=0.40,
            source_emphasis=(
                ("dfdc", 0.6),
                ("gan_portraits", 1.2),
                ("photoshop", 1.3),
                ("stylegan_ffhq", 1.6),
                ("text_to_image", 1.6),
            ),
        ),
        steps_per_epoch=64,
        warmup_steps=100,
    ),
    is_mirrored=True,
)
