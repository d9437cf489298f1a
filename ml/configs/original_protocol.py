"""The original work by its code: 80/20 with random_state=42, no augmentation, 10 epochs.

python -m ml train original_protocol --data path/to/manifest.csv --run runs/original_protocol
Running time: 8 min on two busy cores. Expected: accuracy 0.71 (n = 800); the original said 0.925.
"""

from ml.datasets.selections import original_protocol
from ml.experiment import TrainingConfig
from ml.preprocess import Preprocessing

CONFIG = TrainingConfig(
    name="original_protocol",
    network="paper_cnn",
    preprocessing=Preprocessing(size=128, resample="bicubic", scale=1 / 255),
    select=original_protocol,
    epochs=10,
    checkpoint="last",
    augmentation=None,
    degradation=None,
    is_exportable=False,
)
