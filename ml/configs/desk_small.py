"""The paper's network on thumbnails: to try a desk's data and its training in minutes.

python -m ml train desk_small --data path/to/manifest.csv --run runs/small
Running time: seconds an epoch for a few hundred images. Expect no better than a first guess.
"""

from ml.datasets.selections import all_manipulations
from ml.experiment import TrainingConfig
from ml.preprocess import Preprocessing

CONFIG = TrainingConfig(
    name="desk_small",
    network="paper_cnn",
    preprocessing=Preprocessing(size=32, resample="bicubic", scale=1 / 255),
    select=all_manipulations,
    epochs=6,
    batch_size=16,
    learning_rate=2e-3,
    copies=1,
    goes_on=True,
    replay_share=0.5,
)
