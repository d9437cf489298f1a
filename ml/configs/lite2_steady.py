"""A wider network at 256 pixels, from ImageNet weights, on many views; made for a GPU.

python -m ml train lite2_steady --data path/to/manifest.csv --run runs/lite2 --drawers 16
At 256 pixels the pictures of `stylegan_ffhq` are judged pixel by pixel. Sources of one size are
also shown as serving shows them. Every view is shown twice, the second time as somebody would
save it again, and the loss asks for one logit.
"""

from dataclasses import replace

from ml.configs import lite_full, lite_steady
from ml.datasets.damage import Damage
from ml.experiment import ViewSchedule
from ml.preprocess import Preprocessing

EPOCHS = 24

RECIPE = replace(
    lite_full.RECIPE,
    aligned_share=0.10,
    blended_share=0.14,
    source_emphasis=(
        ("dfdc", 0.9),
        ("gan_portraits", 0.6),
        ("photoshop", 1.5),
        ("stylegan_ffhq", 1.6),
        ("text_to_image", 1.7),
    ),
    served=(("dfdc", 0.3), ("lfw_faceswap", 0.3), ("stylegan_ffhq", 0.4)),
    damage=Damage(
        blur_share=0.06,
        noise_share=0.06,
        screenshot_share=0.04,
        save_share=0.5,
        max_saves=2,
        min_quality=45,
    ),
    copy=lite_steady.RECIPE.copy,
)

CONFIG = replace(
    lite_full.CONFIG,
    name="lite2_steady",
    network="lite2",
    preprocessing=Preprocessing(size=256, resample="bicubic", scale=1 / 128, offset=127),
    epochs=EPOCHS,
    batch_size=128,
    learning_rate=8e-4,
    views=ViewSchedule(
        sizes=(256,) * EPOCHS,
        recipe=RECIPE,
        steps_per_epoch=200,
        warmup_steps=300,
        weight_decay=0.02,
        steadiness=0.2,
    ),
    starts_from=None,
)
