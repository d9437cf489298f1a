"""Images per second of one core: the artifact in ONNX Runtime, Keras `predict`, and the limit.

python benchmarks/inference.py [--artifact FOLDER] [--repeats 200]

Each of the three runs in a process of its own, pinned to one core, one after another. The limit
is the network's arithmetic at the speed of a large single-precision matrix product, at its best.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ml.artifact import DEFAULT_ARTIFACT, artifact_sha256  # noqa: E402
from ml.decoder import Decoded, ImageFacts  # noqa: E402
from ml.inference import Predictor  # noqa: E402

SIZE = 128
WARM_UP = 10
# Multiply-adds of paper_cnn at 128 pixels, twice: two convolutions and two dense layers.
FLOPS = 2 * (126**2 * 32 * 27 + 61**2 * 64 * 288 + 57600 * 128 + 128)


def timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median and spread of the wall time, and the processor time, of one call in ms."""
    for _ in range(WARM_UP):
        call()
    laps, cpu = [], process_time()
    for _ in range(repeats):
        start = perf_counter()
        call()
        laps.append((perf_counter() - start) * 1000)
    low, high = statistics.quantiles(laps, n=20)[0], statistics.quantiles(laps, n=20)[-1]
    cpu_ms = (process_time() - cpu) * 1000 / repeats
    return {"median_ms": statistics.median(laps), "p5_ms": low, "p95_ms": high, "cpu_ms": cpu_ms}


def measure_onnx(artifact: Path, repeats: int) -> dict[str, Any]:
    predictor = Predictor.load(artifact, registered={artifact_sha256(artifact)})
    image = np.random.default_rng(1).random((1, SIZE, SIZE, 3), np.float32)
    return timed(lambda: predictor.logits(image), repeats)


def measure_predictor(artifact: Path, repeats: int) -> dict[str, Any]:
    """The whole of `Predictor.predict`, stability transforms included, by size of picture."""
    predictor = Predictor.load(artifact, registered={artifact_sha256(artifact)})
    figures = {}
    # Smooth as photographs are: noise would cost the stability check's encoders twice as much.
    patches = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    for width, height in ((320, 240), (1024, 768), (2000, 1500)):
        picture = Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(picture)
        decoded = Decoded(pixels, ImageFacts("JPEG", width, height, "RGB"))
        figures[f"{width}x{height}"] = timed(
            lambda decoded=decoded: predictor.predict([decoded]), max(20, repeats // 4)
        )
    return figures


def measure_keras(artifact: Path, repeats: int) -> dict[str, Any]:
    from ml.networks.paper_cnn import build

    network = build(SIZE)
    image = np.random.default_rng(1).random((1, SIZE, SIZE, 3), np.float32)
    return timed(lambda: network.predict(image, verbose=0), max(20, repeats // 4))


def measure_limit(artifact: Path, repeats: int) -> dict[str, Any]:
    side = 1024
    left, right = np.random.default_rng(1).random((2, side, side), np.float32)
    figures = timed(lambda: left @ right, max(20, repeats // 4))
    return {**figures, "gflops": 2 * side**3 / figures["p5_ms"] / 1e6}


PARTS = {
    "onnx": measure_onnx,
    "predictor": measure_predictor,
    "keras": measure_keras,
    "limit": measure_limit,
}


def run_part(name: str, artifact: Path, repeats: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", name, "--artifact", str(artifact)]
    command += ["--repeats", str(repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def line(name: str, figures: dict[str, float]) -> str:
    spread = f"{figures['p5_ms']:.2f} to {figures['p95_ms']:.2f}"
    wall = f"{figures['median_ms']:8.2f} ms median ({spread})"
    return f"{name:28}{wall}, {figures['cpu_ms']:.2f} ms CPU, {1000 / figures['median_ms']:.0f}/s"


def compare(artifact: Path, repeats: int) -> None:
    found = {name: run_part(name, artifact, repeats) for name in PARTS}
    limit = found["limit"]["gflops"] * 1e9 / FLOPS
    reached = 1000 / found["onnx"]["median_ms"]
    ratio = found["keras"]["median_ms"] / found["onnx"]["median_ms"]
    cpu_ratio = found["keras"]["cpu_ms"] / found["onnx"]["cpu_ms"]
    print(f"one core, batch 1, {FLOPS / 1e6:.0f} MFLOP an image, {repeats} repeats at most")
    print(line("ONNX Runtime", found["onnx"]))
    print(line("Keras model.predict", found["keras"]))
    print(f"ONNX over predict: {ratio:.1f} times in wall time, {cpu_ratio:.1f} in CPU time")
    print(f"limit at {found['limit']['gflops']:.0f} GFLOP/s: {limit:.0f} images/s")
    print(f"ONNX reaches {reached / limit:.0%} of the limit")
    for size, figures in found["predictor"].items():
        print(line(f"Predictor.predict {size}", figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--part", choices=PARTS)
    options = parser.parse_args()
    if options.part is None:
        compare(options.artifact, options.repeats)
        return
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(json.dumps(PARTS[options.part](options.artifact, options.repeats)))


if __name__ == "__main__":
    main()
