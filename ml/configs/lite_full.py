"""The second training of the default network: at the size it serves, without the residual branch.

python -m ml train lite_full --data path/to/manifest.csv --run runs/full \
    --start runs/lite_residual_tuned
Views of 160 pixels reduce most faces and whole pictures that are served at 224, and with them
the traces. Cuts, which validation gave no weight, make room for whole views and faces; damage
is what newsrooms meet rather than the worst of it; sources that lagged are drawn more often.
"""

from ml.datasets.damage import Damage
from ml.datasets.recipe import ViewRecipe
from ml.datasets.selections import all_manipulations
from ml.experiment import TrainingConfig, ViewSchedule
from ml.preprocess import Preprocessing

SIZES = (192,) * 4 + (224,) * 6

RECIPE = ViewRecipe(
    aligned_share=0.12,
    blended_share=0.13,
    background_share=0.07,
    crop_share=0.25,
    face_share=0.30,
    shuffle_share=0.2,
    min_keep=0.8,
    max_aspect=1.25,
    min_scale=0.45,
    source_emphasis=(
        ("dfdc", 0.9),
        ("gan_portraits", 0.8),
        ("photoshop", 1.5),
        ("stylegan_ffhq", 1.6),
    ),
    damage=Damage(blur_share=0.08, noise_share=0.08, save_share=0.6, max_saves=2, min_quality=40),
)

CONFIG = TrainingConfig(
    name="lite_full",
    network="lite",
    preprocessing=Preprocessing(size=224, resample="bicubic", scale=1 / 128, offset=127),
    select=all_manipulations,
    epochs=len(SIZES),
    learning_rate=4e-4,
    checkpoint="last",
    augmentation=None,
    degradation=None,
    views=ViewSchedule(
        sizes=SIZES,
        recipe=RECIPE,
        warmup_steps=100,
    ),
    starts_from="lite_residual_tuned",
)
