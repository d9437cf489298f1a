"""What the limited decoder costs: time over decoding in the same process, and memory at the limits.

    python -m benchmarks.decoder [--repeats 60] [--largest]

Prints one JSON object a line. Times are medians with the 10th and 90th percentile; a pause between
two images lets the decoder prepare its next fork, as it would between two requests.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from ml.decoder import MIN_SIDE, Decoder
from tests import images

SIZES = [(64, 64), (1600, 1200), (4000, 3000)]
PAUSE_S = 0.03
LARGEST = [
    ("JPEG", 8000, "RGB"),
    ("JPEG", 8000, "CMYK"),
    ("PROGRESSIVE", 8000, "RGB"),
    ("PNG", 8000, "RGB"),
    ("PNG", 8000, "RGBA"),
    ("WEBP", 6324, "RGB"),
    ("WEBP", 6324, "RGBA"),
    ("GIF", 6324, "P"),
    ("HEIF", 6324, "RGB"),
    ("AVIF", 6324, "RGB"),
]
OPTIONS = {
    "AVIF": {"speed": 10},
    "PNG": {"compress_level": 1},
    "PROGRESSIVE": {"progressive": True},
    "WEBP": {"method": 0},
}
DECODE_ALONE = """
import json, sys, time
from ml.decoder import pixels
pixels.prepare()
started = time.process_time()
with open(sys.argv[1], "rb") as stream:
    image, facts = pixels.decode(stream, None)
seconds = time.process_time() - started
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "cpu_s": round(seconds, 2),
    "address_space_mib": int(status["VmPeak"].split()[0]) // 1024,
    "resident_mib": int(status["VmHWM"].split()[0]) // 1024,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--largest", action="store_true", help="memory of the largest images")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        measure_time(path, arguments.repeats)
        if arguments.largest:
            measure_memory(path)


def measure_time(path: Path, repeats: int) -> None:
    with Decoder() as decoder:
        decoder.libraries()
        for width, height in SIZES:
            data = images.jpeg_bytes(width, height)
            path.write_bytes(data)
            limited = timings(lambda: decoder.decode(path, min_side=MIN_SIDE), repeats)
            alone = timings(lambda data=data: decode_here(data), repeats)
            result = {"pixels": f"{width}x{height}", "bytes": len(data), "n": repeats}
            overhead = round(limited["p50_ms"] - alone["p50_ms"], 1)
            print(json.dumps(result | {"limited": limited, "here": alone, "overhead_ms": overhead}))


def measure_memory(path: Path) -> None:
    for name, side, mode in LARGEST:
        tile = images.photo_like(800, 800).resize((side, side), Image.Resampling.NEAREST)
        path.write_bytes(encode(tile.convert(mode), name))
        done = subprocess.run(
            [sys.executable, "-c", DECODE_ALONE, str(path)],
            capture_output=True,
            check=True,
            env={"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": "."},
        )
        head = {"format": name, "mode": mode, "megapixels": round(side * side / 1e6)}
        print(json.dumps(head | json.loads(done.stdout)))


def encode(image: Image.Image, name: str) -> bytes:
    return images.encode(image, name.replace("PROGRESSIVE", "JPEG"), **OPTIONS.get(name, {}))


def timings(act: Callable[[], object], repeats: int) -> dict[str, float]:
    taken = []
    for _ in range(repeats):
        time.sleep(PAUSE_S)
        started = time.perf_counter()
        act()
        taken.append((time.perf_counter() - started) * 1000)
    p10, p50, p90 = np.percentile(taken, [10, 50, 90])
    return {"p50_ms": round(p50, 1), "p10_ms": round(p10, 1), "p90_ms": round(p90, 1)}


def decode_here(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        image.draft(None, (MIN_SIDE, MIN_SIDE))
        return np.asarray(image)


if __name__ == "__main__":
    main()
