"""What each rule over several faces costs in false accusations and finds in group pictures.

python -m benchmarks.face_rules --data path/to/manifest.csv [--artifact FOLDER] [--limit 100]

Groups are drawn from the logits of single faces of validation pictures: real ones only, or one
fake among them. The cut is the one that 2 % of single real faces reach; a rule that holds the rate
keeps about 2 % for any number of faces.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ml.artifact import DEFAULT_ARTIFACT  # noqa: E402
from ml.combination import FACE_RULES, Combination  # noqa: E402
from ml.datasets.manifest import read_manifest  # noqa: E402
from ml.datasets.selections import thinned  # noqa: E402
from ml.evaluation import APART  # noqa: E402
from ml.judging import CLEAN, judge  # noqa: E402

FACES = (1, 2, 4, 8)
GROUPS = 4000
RATE = 0.02


def face_logits(artifact: Path, data: Path, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the largest face of real and of fake validation pictures."""
    rows = [row for row in read_manifest(data).split("val") if row.source not in APART]
    chosen = thinned(rows, lambda row: (row.source, row.label), limit)
    judged = judge(artifact, chosen, lambda done, total: None)[CLEAN]
    found = {0: [], 1: []}
    for one in judged:
        faces = [logit for kind, logit in one.prediction.view_logits if kind == "face"]
        found[one.sample.label] += faces[:1]
    return np.array(found[0]), np.array(found[1])


def shares(
    rule: str, cut: float, real: np.ndarray, fake: np.ndarray, faces: int
) -> tuple[float, float]:
    """Share of real groups accused, and of groups with one fake caught."""
    generator = np.random.default_rng([faces, len(rule)])
    combination = Combination(face_rule=rule)
    groups = generator.choice(real, (GROUPS, faces))
    accused = [combination.combine(["face"] * faces, group) >= cut for group in groups]
    groups[:, 0] = generator.choice(fake, GROUPS)
    caught = [combination.combine(["face"] * faces, group) >= cut for group in groups]
    return float(np.mean(accused)), float(np.mean(caught))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--limit", type=int, default=100)
    options = parser.parse_args()
    real, fake = face_logits(options.artifact, options.data, options.limit)
    cut = float(np.quantile(real, 1 - RATE))
    print(f"faces: {real.size} real, {fake.size} fake; cut {cut:.2f}; {GROUPS} groups each")
    for rule in FACE_RULES:
        parts = []
        for faces in FACES:
            accused, caught = shares(rule, cut, real, fake, faces)
            parts.append(f"{faces}: {accused:.1%} accused, {caught:.1%} caught")
        print(f"{rule:13}" + "; ".join(parts))


if __name__ == "__main__":
    main()
