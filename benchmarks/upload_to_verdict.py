"""Time from the first byte of an upload to a verdict read back over HTTP, everything running.

    python -m benchmarks.upload_to_verdict [--images 60]

Starts a whole installation (web, broker, workers, scheduler) in a temporary folder, uploads
distinct JPEGs one after the other and polls the API every 4 ms until the verdict is there. Prints
p50 and p95 with n, beside the floor: the same upload where the detection is done already.
"""

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from tests.integration.installation import Installation

POLL_S = 0.004
WARM_UP = 8
KINDS = {"200 KB, 1024 × 768": (1024, 768, 200_000), "12 megapixels": (4000, 3000, 3_000_000)}


def noisy_jpeg(width: int, height: int, wanted_bytes: int, seed: int) -> bytes:
    """A drawn picture of about the wanted size in bytes; each seed gives other bytes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 14, (height, width, 1))
    pixels = np.clip(np.asarray(picture, np.float32) + grain, 0, 255).astype(np.uint8)
    best = b""
    for quality in (95, 90, 85, 80, 70, 60, 50, 40, 30, 20, 10):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        best = buffer.getvalue()
        if len(best) <= wanted_bytes:
            break
    return best


def time_one(client: httpx.Client, content: bytes) -> tuple[float, float]:
    """Milliseconds until accepted, and until a verdict was read."""
    started = time.perf_counter()
    answer = client.post("/api/v1/detections", files={"image": ("a.jpg", content, "image/jpeg")})
    answer.raise_for_status()
    accepted = time.perf_counter()
    address = f"/api/v1/detections/{answer.json()['id']}"
    body = answer.json()
    while body["status"] not in {"done", "failed"}:
        time.sleep(POLL_S)
        body = client.get(address).json()
    if body["status"] == "failed":
        raise RuntimeError(f"a benchmark image failed: {body['failure']}")
    return (accepted - started) * 1000, (time.perf_counter() - started) * 1000


def measure(client: httpx.Client, size: tuple[int, int, int], count: int) -> dict[str, list[float]]:
    contents = [noisy_jpeg(*size, seed=seed) for seed in range(count + WARM_UP)]
    times = [time_one(client, content) for content in contents]
    again = [time_one(client, content) for content in contents]
    return {
        "accepted": [accepted for accepted, _ in times[WARM_UP:]],
        "verdict": [verdict for _, verdict in times[WARM_UP:]],
        "floor": [verdict for _, verdict in again[WARM_UP:]],
        "bytes": [len(content) for content in contents],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60)
    count = parser.parse_args().images
    table = Table("picture", "n", "kB", "what", "p50 ms", "p95 ms", "max ms", "p50 v. floor")
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data").start()
        try:
            with installation.client() as client:
                for name, size in KINDS.items():
                    add_rows(table, name, measure(client, size, count))
        finally:
            installation.close()
    Console().print(table)


def add_rows(table: Table, name: str, figures: dict[str, list[float]]) -> None:
    kilobytes = f"{statistics.median(figures['bytes']) / 1000:.0f}"
    floor = statistics.median(figures["floor"])
    for what in ("accepted", "verdict", "floor"):
        values = figures[what]
        p50, p95 = statistics.median(values), float(np.percentile(values, 95))
        table.add_row(
            *(name, str(len(values)), kilobytes, what),
            *(f"{value:.0f}" for value in (p50, p95, max(values))),
            f"{p50 / floor:.1f} ×",
        )


if __name__ == "__main__":
    main()
