"""The original work's protocol a third time: half as long again, and judged mirrored as well.

KERAS_BACKEND=torch python -m ml.bfloat16 lite_protocol_mirrored --data path/to/manifest.csv \
    --run runs/protocol_mirrored
Nothing but the 3,200 training images and ImageNet weights goes in. The last epoch counts, so
watching the test images chooses nothing; a picture's score is the mean of its own and its mirror
image's. 98,304 views in about 35 minutes; wanted is an accuracy of 0.925.
"""

from dataclasses import replace

from ml.configs import lite_protocol_long
from ml.experiment import ViewSchedule

SIZES = (192,) * 4 + (256,) * 8

CONFIG = replace(
    lite_protocol_long.CONFIG,
    name="lite_protocol_mirrored",
    epochs=len(SIZES),
    views=ViewSchedule(
        sizes=SIZES,
        recipe=lite_protocol_long.RECIPE,
        steps_per_epoch=128,
        warmup_steps=100,
        weight_decay=0.02,
    ),
    is_mirrored=True,
)
