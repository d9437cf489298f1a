"""What each layer of evidence costs: time and peak memory for JPEGs of 1, 12 and 24 megapixels.

    python -m benchmarks.evidence [--repeats 3] [--megapixels 1 12 24]

Prints one JSON object a line. Each drawing runs in a process of its own, so that its peak of memory
is its own; `decode` is the limited decoder's whole answer and is not contained in the others.
Pictures are drawn, with detail of every size, and saved once at quality 88. CPU time is what the
machine's other work changes least.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SHAPES = {1: (866, 1155), 12: (3000, 4000), 24: (4000, 6000), 64: (8000, 8000)}
QUALITY = 88
KINDS = ("decode", "ela", "noise", "spectrum", "grid", "clones")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--megapixels", type=int, nargs="+", default=[1, 12, 24])
    parser.add_argument("--one", nargs=2, metavar=("KIND", "PATH"), help="used by itself")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one[0], Path(arguments.one[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in arguments.megapixels:
            path = Path(folder) / f"{megapixels}.jpg"
            Image.fromarray(drawn(*SHAPES[megapixels])).save(path, quality=QUALITY)
            for kind in KINDS:
                runs = [in_a_process(kind, path) for _ in range(arguments.repeats)]
                print(json.dumps({"kind": kind, "megapixels": megapixels} | medians(runs)))


def drawn(height: int, width: int) -> np.ndarray:
    """Detail of every size, made of noise at many scales, and sensor-like noise."""
    rng = np.random.default_rng(0)
    total = np.full((height, width), 125.0, np.float32)
    for step in (400, 160, 64, 25, 10, 4):
        coarse = rng.normal(0, step**0.5 * 1.4, (height // step + 2, width // step + 2))
        layer = Image.fromarray(coarse.astype(np.float32))
        total += np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC))
    noise = rng.normal(0, 2, (height, width)).astype(np.float32)
    colours = np.stack([total + noise, 0.9 * total + 10 + noise, 0.8 * total + 25 + noise], -1)
    return np.clip(colours, 0, 255).astype(np.uint8)


def in_a_process(kind: str, path: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.evidence", "--one", kind, str(path)],
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


def measure(kind: str, path: Path) -> dict[str, float]:
    """One drawing; memory is the process's peak beyond what it held before, decoded pixels too."""
    from detection.evidence.layer import Source
    from detection.evidence.methods import draw_layer
    from detection.evidence.quantisation import luminance_table
    from ml.decoder import Decoder

    held = peak_mib()
    with Decoder() as decoder:
        decoder.libraries()
        started = time.perf_counter()
        decoded = decoder.decode(path)
        taken = {"s": time.perf_counter() - started}
    if kind != "decode":
        cpu, started = time.process_time(), time.perf_counter()
        draw_layer(kind, Source(decoded.pixels, luminance_table(path)), 1)
        taken = {"s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
    return {**taken, "peak_mib": peak_mib() - held}


def peak_mib() -> float:
    """Of this program; `getrusage` would count what its parent held when it forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    names = runs[0]
    return {"n": len(runs)} | {
        name: round(statistics.median(run[name] for run in runs), 2) for name in names
    }


if __name__ == "__main__":
    main()
