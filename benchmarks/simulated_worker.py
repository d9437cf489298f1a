"""A Celery application that judges nothing: each verdict is a wait, and the same for every image.

    celery --app benchmarks.simulated_worker worker -Q detect -c 8

For `benchmarks.scale_out` alone: so that many workers fit on few cores, and what is measured is
what the desk does around a verdict.
"""

import os
import time

import django
import numpy as np

from deepfake_site.celery import app

django.setup()  # models come with the imports below

from detection import detector  # noqa: E402
from detection.models import Image, ModelVersion  # noqa: E402
from ml.decision import Verdict  # noqa: E402
from ml.inference import Prediction  # noqa: E402

__all__ = ["app"]

WAIT_S = float(os.environ.get("UNMASK_SIMULATED_S", "0.15"))
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
FOUND = Prediction(
    logit=-1.2,
    score=0.23,
    probability=0.31,
    verdict=Verdict.INCONCLUSIVE,
    reasons=("too_small",),
    activation=np.linspace(-1, 1, 49, dtype=np.float32).reshape(7, 7),
    faces=(),
    transforms={"jpeg_75": 0.3, "half_size": 0.33},
    timings_ms={"preprocess": 20.0, "transforms": 50.0, "network": 70.0},
)
FACTS = {"format": "JPEG", "width": 1024, "height": 768, "file": {"read": detector.READS}}


def judge(image: Image, version: ModelVersion) -> detector.Judgement:
    time.sleep(WAIT_S)
    return detector.Judgement(detector._columns(FOUND), FACTS, PICTURE)


detector.judge = judge
detector.warm = lambda version: None  # no model and no decoder in any of the processes
