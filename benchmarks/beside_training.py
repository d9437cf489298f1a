"""python -m benchmarks.beside_training MANIFEST: what a training costs the verdicts beside it.

Judges a drawn picture again and again in this process, in blocks that alternate between nothing
else and `python -m ml train desk_lite` started as the trainer starts it, and prints the wall and
processor time of a verdict in both. Say on which machine, and that nothing else ran on it.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from deepfake_site.processes import in_the_background
from ml.artifact import DEFAULT_ARTIFACT, shipped_hashes
from ml.decoder import MIN_SIDE, Decoder
from ml.inference import Predictor
from tests.images import jpeg_bytes

BLOCKS, VERDICTS = 6, 25
NICENESS = 19


def main(manifest: Path) -> None:
    predictor = Predictor.load(DEFAULT_ARTIFACT, registered=shipped_hashes())
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as name, Decoder() as decoder:
        picture = Path(name) / "picture.jpg"
        picture.write_bytes(jpeg_bytes(1200, 900))
        decoded = decoder.decode(picture, min_side=MIN_SIDE)
        predictor.predict([decoded])
        training = _training(manifest, Path(name))
        try:
            _wait_for_learning(Path(name) / "progress.json")
            for block in range(BLOCKS):
                is_beside = block % 2 == 1
                os.killpg(training.pid, 18 if is_beside else 19)  # SIGCONT, SIGSTOP
                time.sleep(1)
                for _ in range(VERDICTS):
                    wall, cpu = time.perf_counter(), time.process_time()
                    predictor.predict([decoded])
                    took = (time.perf_counter() - wall, time.process_time() - cpu)
                    found[is_beside].append(took)
        finally:
            os.killpg(training.pid, 9)
            training.wait()
    for is_beside, rows in found.items():
        _say("beside a training" if is_beside else "alone", np.array(rows) * 1000)


def _training(manifest: Path, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "ml", "train", "desk_lite", "--data", str(manifest)]
    command += ["--run", str(folder / "run"), "--progress", str(folder / "progress.json")]
    command += ["--start", str(DEFAULT_ARTIFACT), "--epochs", "20"]
    return subprocess.Popen(
        in_the_background(command, NICENESS), start_new_session=True, stdout=subprocess.DEVNULL
    )


def _wait_for_learning(progress: Path) -> None:
    while not progress.exists() or "epoch" not in progress.read_text():
        time.sleep(0.5)


def _say(name: str, ms: np.ndarray) -> None:
    wall, cpu = (np.percentile(ms[:, at], [50, 5, 95]) for at in (0, 1))
    print(
        f"{name}: n = {len(ms)}; wall {wall[0]:.0f} ms ({wall[1]:.0f}-{wall[2]:.0f}), "
        f"processor {cpu[0]:.0f} ms ({cpu[1]:.0f}-{cpu[2]:.0f}); medians, 5th to 95th percentile"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
