"""Work for a desk at a constant rate: uploads of many kinds, pages, searches, layers, reports."""

import io
import random
import re
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests import hostile, images
from tests.integration.installation import EMAIL, PASSWORD

URL = "/api/v1/detections"
ROUND = 100  # what each hundred images are is the same
BATCH, BATCH_AT = 10, 50
WAITED, CALLED_BACK, HOSTILE = range(2, 100, 10), range(5, 100, 10), (7, 37, 77)
SIZES = ((1024, 768),) * 8 + ((640, 480), (2000, 1500))
PLACES = ("harbour", "market", "square", "bridge", "stadium", "court", "station", "border")
LAYERS = ("ela", "noise", "spectrum", "grid", "clones")
PAGES = (
    *("/", "/history", "/history?q={word}", "/detections/{pk}", "/cases", "{preview}", "/notices"),
    *(
        "/history?verdict=likely_manipulated&q={word}",
        "/detections/{pk}/heatmap",
        "/detections/{pk}",
    ),
    *("/monitoring", "/operations", "/history?q={missing}", "/webhooks", "/review"),
)
LAYER_EVERY, REPORT_EVERY = 5, 40  # pages
THREADS = 24
# So many may wait in a queue until no more is sent to it for a while: a desk that a busy machine
# starves would only pile up work, and what its processes hold depends on what they did.
MOST_WAITING = 30


class Pictures:
    """Drawn JPEGs, each another picture: about 210 kB at 1024 × 768, some smaller, some larger."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self._grain = rng.normal(0, 14, (1500 + 256, 2000 + 256)).astype(np.int16)

    def draw(self, number: int) -> bytes:
        rng = np.random.default_rng(number)
        width, height = SIZES[number % len(SIZES)]
        coarse = rng.integers(0, 255, (height // 64, width // 64, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        left, top = rng.integers(0, 256, 2)
        grain = self._grain[top : top + height, left : left + width, None]
        pixels = np.clip(np.asarray(smooth, np.int16) + grain, 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
        return buffer.getvalue()


@dataclass
class Seen:
    """What clients saw.

    Attributes:
        statuses: of answers, by what was asked for.
        laps_s: seconds until each answer, likewise.
        late_s: how much later than due each upload began, which is this program's own doing.
        broken: requests that got no answer.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    laps_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    late_s: list[float] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)

    def server_errors(self) -> dict[tuple[str, int], int]:
        return {key: count for key, count in self.statuses.items() if key[1] >= 500}


class Load:
    """Sends so many images a second, and reads pages beside them.

    Attributes:
        held_s: for how long nothing was sent, because enough waited already.
    """

    def __init__(
        self, client: httpx.Client, callback_url: str, *, per_s: float, pages_per_s: float
    ) -> None:
        self.seen = Seen()
        self.sent, self.held_s = 0, 0.0
        self._client, self._callback_url = client, callback_url
        self._per_s, self._pages_per_s = per_s, pages_per_s
        self._room, self._bulk_room = MOST_WAITING, MOST_WAITING
        self._pictures = Pictures()
        self._ids: deque[str] = deque(maxlen=300)
        self._over = threading.Event()
        names = sorted(hostile.HOSTILE)
        random.Random(1).shuffle(names)
        self._hostile = names

    def run(self, minutes: float) -> None:
        with self._reading_pages(), ThreadPoolExecutor(THREADS) as pool:
            due = started = time.perf_counter()
            while due - started < 60 * minutes and not self._over.is_set():
                time.sleep(max(0.0, due - time.perf_counter()))
                due = self._hold_back(due)
                pool.submit(self._send, self.sent, due)
                self.sent, self._room = self.sent + 1, self._room - 1
                due += 1 / self._per_s

    def end(self, *_signal: object) -> None:
        """Send nothing more; safe in a signal handler."""
        self._over.set()

    def look_at(self, sample: dict[str, Any]) -> None:
        """Learn how much waits; until the next look no more is sent than fills it up."""
        self._room, self._bulk_room = (
            MOST_WAITING - sample["waiting"].get(queue, 0) for queue in ("detect", "bulk")
        )
        sample["held_s"] = round(self.held_s, 1)

    def _hold_back(self, due: float) -> float:
        """When it is due after all: what was held back is not sent later."""
        if self._room > 0:
            return due
        began = time.perf_counter()
        while self._room <= 0 and not self._over.wait(0.05):
            pass
        ended = time.perf_counter()
        self.held_s += ended - began
        return ended

    def _send(self, number: int, due: float) -> None:
        self.seen.late_s.append(time.perf_counter() - due)
        place = number % ROUND
        if place in HOSTILE:
            self._send_hostile(number // ROUND * len(HOSTILE) + HOSTILE.index(place))
        elif not BATCH_AT <= place < BATCH_AT + BATCH:
            self._send_one(number, place)
        elif place == BATCH_AT and self._bulk_room > 0:
            self._send_batch(range(number, number + BATCH))

    def _send_one(self, number: int, place: int) -> None:
        kind, data, headers = "upload", {}, {}
        if place in WAITED:
            kind, headers = "waited upload", {"Prefer": "wait=20"}
        elif place in CALLED_BACK:
            kind, data = "upload with a callback", {"callback_url": self._callback_url}
        files = {"image": (name_of(number), self._pictures.draw(number), "image/jpeg")}
        answer = self._ask(kind, "POST", URL, data=data, files=files, headers=headers)
        if answer is not None and answer.status_code in {200, 202}:
            self._ids.append(answer.json()["id"])

    def _send_batch(self, numbers: Sequence[int]) -> None:
        files = [("images", (name_of(n), self._pictures.draw(n), "image/jpeg")) for n in numbers]
        self._ask("batch of 10", "POST", f"{URL}/batch", data={"priority": "bulk"}, files=files)

    def _send_hostile(self, number: int) -> None:
        again, at = divmod(number, len(self._hostile))
        content = hostile.HOSTILE[self._hostile[at]]() + b"%d" % again * bool(again)
        name = images.HOSTILE_NAMES[number % len(images.HOSTILE_NAMES)]
        self._ask("hostile upload", "POST", URL, files={"image": (name, content, "image/jpeg")})

    def _ask(self, kind: str, method: str, url: str, **options: object) -> httpx.Response | None:
        return ask(self.seen, self._client, kind, method, url, **options)

    @contextmanager
    def _reading_pages(self) -> Iterator[None]:
        reader = threading.Thread(target=self._read, name="reader")
        reader.start()
        try:
            yield
        finally:
            self._over.set()
            reader.join()

    def _read(self) -> None:
        with httpx.Client(base_url=str(self._client.base_url), timeout=60) as browser:
            person, number = Person(browser, self.seen), 0
            person.sign_in()
            while not self._over.wait(1 / self._pages_per_s):
                if not self._ids:
                    continue
                number += 1
                pk = random.choice(self._ids)
                person.open(PAGES[number % len(PAGES)], pk)
                if number % LAYER_EVERY == 0:
                    person.ask_for_layer(pk, LAYERS[number // LAYER_EVERY % len(LAYERS)])
                if number % REPORT_EVERY == 0:
                    self._ask("report", "POST", f"{URL}/{pk}/reports", json={})


class Person:
    """Somebody who is signed in and looks at pages."""

    def __init__(self, browser: httpx.Client, seen: Seen) -> None:
        self._browser, self._seen = browser, seen
        self._preview = "/"

    def sign_in(self) -> None:
        self._browser.get("/accounts/login/").raise_for_status()
        form = {"login": EMAIL, "password": PASSWORD}
        answer = self._browser.post("/accounts/login/", data=form, headers=self._proof())
        if answer.status_code != 302:
            raise RuntimeError(f"nobody signed in: {answer.status_code} {answer.text[:300]}")

    def open(self, page: str, pk: str) -> None:
        words = {"word": random.choice(PLACES), "missing": f"nowhere{random.randrange(10**6)}"}
        url = page.format(pk=pk, preview=self._preview, **words)
        answer = ask(self._seen, self._browser, f"page {page}", "GET", url)
        if answer is not None and (
            found := re.search(r"/images/[0-9a-f-]+/preview/\d+", answer.text)
        ):
            self._preview = found[0]

    def ask_for_layer(self, pk: str, kind: str) -> None:
        url = f"/detections/{pk}/layers"
        ask(
            self._seen,
            self._browser,
            "layer",
            "POST",
            url,
            data={"kind": kind},
            headers=self._proof(),
        )

    def _proof(self) -> dict[str, str]:
        return {
            "X-CSRFToken": self._browser.cookies["unmask_csrf"],
            "Origin": str(self._browser.base_url).rstrip("/"),
        }


def ask(
    seen: Seen, client: httpx.Client, kind: str, method: str, url: str, **options: object
) -> httpx.Response | None:
    """Ask, and note how long it took and what came; None where nothing came."""
    started = time.perf_counter()
    try:
        answer = client.request(method, url, **options)  # type: ignore[arg-type]
    except httpx.TransportError as error:
        seen.broken[f"{kind}: {type(error).__name__}"] += 1
        return None
    seen.laps_s[kind].append(time.perf_counter() - started)
    seen.statuses[kind, answer.status_code] += 1
    return answer


def name_of(number: int) -> str:
    return f"{PLACES[number % len(PLACES)]} {number:06d}.jpg"
