"""The default artifact: the original work's network on the training split.

python -m ml train paper_cnn --data path/to/manifest.csv --run runs/paper_cnn
Running time: 34 min on two busy cores. Expected: validation AUC 0.67, accuracy 0.60 (n = 1659).
"""

from ml.datasets.selections import visible_manipulations
from ml.experiment import TrainingConfig
from ml.preprocess import Preprocessing

CONFIG = TrainingConfig(
    name="paper_cnn",
    network="paper_cnn",
    preprocessing=Preprocessing(size=128, resample="bicubic", scale=1 / 255),
    select=visible_manipulations,
    epochs=20,
    patience=4,
    goes_on=True,
    replay_share=0.5,
)
