"""No change of code may move what a shipped artifact says: it was measured as it was."""

import json

import numpy as np
import pytest

from ml.artifact import DEFAULT_ARTIFACT
from ml.calibration import sigmoid
from tests.ml.golden import PICTURES, RECORDS, logits, shipped

records = json.loads(RECORDS.read_text())


def test_every_shipped_artifact_has_its_records():
    assert set(records) == set(shipped())
    assert DEFAULT_ARTIFACT in shipped().values()
    assert all(set(row) == set(PICTURES) for row in records.values())


@pytest.mark.parametrize("sha256", records)
def test_every_picture_has_the_score_it_had(sha256: str):
    now, then = (
        sigmoid(np.array([row[name] for name in PICTURES]))
        for row in (logits(shipped()[sha256]), records[sha256])
    )
    np.testing.assert_allclose(now, then, rtol=0, atol=1e-4)
