"""Where the default artifact starts: EfficientNet-Lite0 and a residual branch, on views.

python -m ml train lite_residual --data path/to/manifest.csv --run runs/lite_residual
"""

from ml.datasets.selections import all_manipulations
from ml.experiment import TrainingConfig, ViewSchedule
from ml.preprocess import Preprocessing

SIZES = (160,) * 12
# The cosine ends two epochs later: by then the rate is so low that they would change little.
DECAY_STEPS = 14 * 250

CONFIG = TrainingConfig(
    name="lite_residual",
    network="lite_residual",
    preprocessing=Preprocessing(size=224, resample="bicubic", scale=1 / 128, offset=127),
    select=all_manipulations,
    epochs=len(SIZES),
    learning_rate=5e-4,
    checkpoint="last",
    augmentation=None,
    degradation=None,
    views=ViewSchedule(sizes=SIZES, decay_steps=DECAY_STEPS),
)
