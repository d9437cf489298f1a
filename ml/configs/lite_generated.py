"""A specialist: pictures that a generator made from edge to edge, and nothing else.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_generated --data path/to/manifest.csv \
    --run runs/generated --start ml/artifacts/default
For mixing (`ml/mixing.py`) alone: it learnt from a part of the sources, and export refuses it.
57,600 showings in about twenty minutes; expected are AUCs of 0.96 and 0.95 on `stylegan_ffhq` and
`text_to_image`.
"""

from dataclasses import replace

from ml.configs import lite_full, lite_protocol, lite_steady
from ml.datasets.selections import generated_wholly
from ml.experiment import ViewSchedule

SIZES = (192,) * 3 + (224,) * 6

RECIPE = replace(
    lite_protocol.RECIPE,
    aligned_share=0.12,
    crop_share=0.30,
    face_share=0.20,
    rescale_share=0.25,
    min_scale=0.7,
    source_emphasis=(("gan_portraits", 0.5), ("stylegan_ffhq", 1.3)),
    copy=lite_steady.RECIPE.copy,
)

CONFIG = replace(
    lite_full.CONFIG,
    name="lite_generated",
    select=generated_wholly,
    epochs=len(SIZES),
    batch_size=64,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=100,
        warmup_steps=50,
        steadiness=0.15,
    ),
    starts_from="lite_full",
)
