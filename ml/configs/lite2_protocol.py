"""The original work's protocol with the default network: its 4,000 images, its split, 0.5 as cut.

python -m ml train lite2_protocol --data path/to/manifest.csv --run runs/protocol --drawers 16
Nothing but the 3,200 training images and ImageNet weights goes in. The last epoch counts, so
watching the test images chooses nothing.
"""

from dataclasses import replace

from ml.configs import lite_protocol
from ml.configs.lite2_steady import CONFIG as STEADY
from ml.experiment import ViewSchedule

EPOCHS = 6

CONFIG = replace(
    lite_protocol.CONFIG,
    name="lite2_protocol",
    network="lite2",
    preprocessing=STEADY.preprocessing,
    epochs=EPOCHS,
    batch_size=128,
    learning_rate=8e-4,
    views=ViewSchedule(
        sizes=(256,) * EPOCHS,
        recipe=replace(lite_protocol.RECIPE, served=(("stylegan_ffhq", 0.5),)),
        steps_per_epoch=150,
        warmup_steps=150,
        weight_decay=0.02,
    ),
    frozen=(),
)
