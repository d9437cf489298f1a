"""The original work's protocol once more: every layer learns, and at the pictures' own size.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_protocol_long --data path/to/manifest.csv \
    --run runs/protocol_long
Nothing but the 3,200 training images and ImageNet weights goes in. The last epoch counts, so
watching the test images chooses nothing. 65,536 views in about twenty minutes; wanted is an
accuracy of 0.925.
"""

from dataclasses import replace

from ml.configs import lite_protocol
from ml.experiment import ViewSchedule
from ml.preprocess import Preprocessing

SIZES = (192,) * 3 + (256,) * 5

# pictures of one size in both classes are shown pixel by pixel, as they are judged
RECIPE = replace(lite_protocol.RECIPE, served=(("stylegan_ffhq", 0.5),))

CONFIG = replace(
    lite_protocol.CONFIG,
    name="lite_protocol_long",
    preprocessing=Preprocessing(size=256, resample="bicubic", scale=1 / 128, offset=127),
    epochs=len(SIZES),
    batch_size=64,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=128,
        warmup_steps=100,
        weight_decay=0.02,
    ),
    frozen=(),
)
