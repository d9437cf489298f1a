"""Images per second of one core: the artifact in ONNX Runtime, Keras `predict`, and the limit.

python benchmarks/inference.py [--artifact FOLDER] [--repeats 200]

The last lines are the whole judgement of a picture: its views, faces and re-saved copies, without
decoding the file. The promise for one of 1 megapixel is 400 ms of processor time on one core.

Each of the three runs in a process of its own, pinned to one core, one after another. The limit
is the network's arithmetic at the speed of a large single-precision matrix product, at its best.
"""

import argparse
import importlib
import json
import math
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

from ml.artifact import (  # noqa: E402
    DEFAULT_ARTIFACT,
    MODEL_FILE,
    Artifact,
    artifact_sha256,
)
from ml.decoder import Decoded, ImageFacts  # noqa: E402
from ml.inference import Predictor  # noqa: E402

WARM_UP = 10
PROMISED_CPU_MS = 400
PROMISED_SIZE = (1152, 868)  # 1 megapixel
SIZES = ((320, 240), (1024, 768), PROMISED_SIZE, (2000, 1500))


def input_size(artifact: Path) -> int:
    return Artifact.read(artifact, registered={artifact_sha256(artifact)}).preprocessing.size


def flops(artifact: Path) -> int:
    """Twice the multiply-adds of the graph's convolutions and products, for one image."""
    import onnx

    model = onnx.load(artifact / MODEL_FILE)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {i.name: list(i.dims) for i in graph.initializer}
    for value in (*graph.value_info, *graph.output, *graph.input):
        shapes[value.name] = [d.dim_value for d in value.type.tensor_type.shape.dim]
    total = 0
    for node in graph.node:
        if node.op_type in {"Conv", "MatMul", "Gemm"}:
            weights, out = shapes[node.input[1]], shapes[node.output[0]]
            each = weights[1:] if node.op_type == "Conv" else weights[-2:-1]
            total += 2 * math.prod(each) * math.prod(max(1, side) for side in out)
    return total


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
    size = input_size(artifact)
    image = np.random.default_rng(1).random((1, size, size, 3), np.float32)
    return timed(lambda: predictor.logits(image), repeats)


def measure_predictor(artifact: Path, repeats: int) -> dict[str, Any]:
    """The whole of `Predictor.predict`, stability transforms included, by size of picture."""
    predictor = Predictor.load(artifact, registered={artifact_sha256(artifact)})
    figures = {}
    # Smooth as photographs are: noise would cost the stability check's encoders twice as much.
    patches = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    for width, height in SIZES:
        picture = Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(picture)
        decoded = Decoded(pixels, ImageFacts("JPEG", width, height, "RGB"))
        figures[f"{width}x{height}"] = timed(
            lambda decoded=decoded: predictor.predict([decoded]), max(20, repeats // 4)
        )
    return figures


def measure_keras(artifact: Path, repeats: int) -> dict[str, Any]:
    read = Artifact.read(artifact, registered={artifact_sha256(artifact)})
    size = read.preprocessing.size
    network = importlib.import_module(f"ml.networks.{read.architecture}").build(size)
    image = np.random.default_rng(1).random((1, size, size, 3), np.float32)
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
    work = flops(artifact)
    limit = found["limit"]["gflops"] * 1e9 / work
    reached = 1000 / found["onnx"]["median_ms"]
    ratio = found["keras"]["median_ms"] / found["onnx"]["median_ms"]
    cpu_ratio = found["keras"]["cpu_ms"] / found["onnx"]["cpu_ms"]
    print(f"one core, batch 1, {work / 1e6:.0f} MFLOP an image, {repeats} repeats at most")
    print(line("ONNX Runtime", found["onnx"]))
    print(line("Keras model.predict", found["keras"]))
    print(f"ONNX over predict: {ratio:.1f} times in wall time, {cpu_ratio:.1f} in CPU time")
    print(f"limit at {found['limit']['gflops']:.0f} GFLOP/s: {limit:.0f} images/s")
    print(f"ONNX reaches {reached / limit:.0%} of the limit")
    for size, figures in found["predictor"].items():
        print(line(f"Predictor.predict {size}", figures))
    promised = found["predictor"]["{}x{}".format(*PROMISED_SIZE)]["cpu_ms"]
    print(
        f"1 megapixel: {promised:.0f} of {PROMISED_CPU_MS} ms CPU, {promised / PROMISED_CPU_MS:.2f}"
    )


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
