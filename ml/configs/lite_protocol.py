"""The original work's protocol with the default network: its 4,000 images, its split, 0.5 as cut.

python -m ml train lite_protocol --data path/to/manifest.csv --run runs/protocol
Nothing but the 3,200 training images and ImageNet weights goes in. The last epoch counts, so
watching the test images chooses nothing.
"""

from ml.datasets.damage import Damage
from ml.datasets.recipe import ViewRecipe
from ml.datasets.selections import original_protocol
from ml.experiment import TrainingConfig, ViewSchedule
from ml.networks.lite import EDGES
from ml.preprocess import Preprocessing

SIZES = (160,) * 3 + (224,) * 5

# pictures of one kind and one encoder: what is to be learnt is there at full size
RECIPE = ViewRecipe(
    aligned_share=0.0,
    blended_share=0.0,
    crop_share=0.35,
    face_share=0.1,
    rescale_share=0.2,
    min_scale=0.8,
    max_scale=1.25,
    min_keep=0.85,
    max_aspect=1.2,
    damage=Damage(
        blur_share=0.03,
        noise_share=0.03,
        screenshot_share=0.0,
        save_share=0.25,
        max_saves=1,
        min_quality=60,
    ),
)

CONFIG = TrainingConfig(
    name="lite_protocol",
    network="lite",
    preprocessing=Preprocessing(size=224, resample="bicubic", scale=1 / 128, offset=127),
    select=original_protocol,
    epochs=len(SIZES),
    learning_rate=5e-4,
    checkpoint="last",
    augmentation=None,
    degradation=None,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        steps_per_epoch=200,
        warmup_steps=100,
    ),
    frozen=EDGES,
    is_exportable=False,
)
