"""What a client was told, and whether the desk kept it."""

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests import images
from tests.integration.installation import Installation

PROMISED = {200, 202}
PAUSE_S = 0.25
UNAVAILABLE = {502, 503, 507}  # says that nothing was taken; a repetition may do


def picture(seed: int) -> bytes:
    return images.jpeg_bytes(320, 240, seed=seed)


@dataclass
class Ledger:
    """Every promise that a client got: a detection's id, and the SHA-256 of what was sent for it.

    Attributes:
        refused: answers that promised nothing, by status.
        broken: requests that got no answer at all; what became of them nobody was told.
        faults: what was done to the desk meanwhile, how often.
    """

    promised: dict[str, str] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    faults: int = 0
    last_fault_at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def submit(
        self,
        client: httpx.Client,
        seed: int,
        *,
        tries: int = 1,
        request: str = "",
        **fields: str,
    ) -> str | None:
        """Send one picture of its own, under one key however often; the detection's id.

        Args:
            request: which request of several for this picture it is; each is kept.
        """
        data = picture(seed)
        for earlier in range(tries):
            time.sleep(PAUSE_S if earlier else 0)
            try:
                answer = client.post(
                    "/api/v1/detections",
                    data=fields,
                    files={"image": (f"{seed}.jpg", data, "image/jpeg")},
                    headers={"Idempotency-Key": f"chaos-{seed}{request}"},
                )
            except httpx.TransportError:
                with self._lock:
                    self.broken += 1
                continue
            if answer.status_code in PROMISED:
                with self._lock:
                    self.promised[answer.json()["id"]] = hashlib.sha256(data).hexdigest()
                return answer.json()["id"]
            with self._lock:
                self.refused[answer.status_code] += 1
        return None

    def note_fault(self) -> None:
        with self._lock:
            self.faults += 1
            self.last_fault_at = time.monotonic()

    def __str__(self) -> str:
        refused = ", ".join(f"{n} × {status}" for status, n in sorted(self.refused.items()))
        return (
            f"{self.faults} faults, {len(self.promised)} promised, refused {refused or 'none'}, "
            f"{self.broken} without an answer"
        )

    @property
    def ids(self) -> list[str]:
        return list(self.promised)

    def differences(self, installation: Installation) -> list[str]:
        """What database, disk and audit trail have otherwise than was promised; empty is well.

        Asked when everything has ended.
        """
        found: list[str] = []
        rows = {
            str(pk).replace("-", ""): (status, sha256, str(image).replace("-", ""))
            for pk, status, sha256, image in installation.database.rows(
                "select d.id, d.status, i.sha256, i.id from detection_detection d "
                "join detection_image i on i.id = d.image_id"
            )
        }
        for pk, sha256 in self.promised.items():
            row = rows.get(pk.replace("-", ""))
            if row is None:
                found.append(f"{pk} is gone")
            elif row[1] != sha256:
                found.append(f"{pk} is of other bytes")
        for pk, (status, sha256, image) in rows.items():
            if status not in {"done", "failed"}:
                found.append(f"{pk} is {status}")
            paths = list(installation.data.glob(f"originals/*/{_dashed(image)}*"))
            if len(paths) != 1 or hashlib.sha256(paths[0].read_bytes()).hexdigest() != sha256:
                found.append(f"{pk} has no original of its bytes")
        return found + self._in_the_trail(installation, rows)

    @staticmethod
    def _in_the_trail(
        installation: Installation, rows: dict[str, tuple[str, str, str]]
    ) -> list[str]:
        told: dict[str, Counter[str]] = {"completed": Counter(), "failed": Counter()}
        for action, target in installation.database.rows(
            "select action, target_id from accounts_auditevent "
            "where action in ('detection.completed', 'detection.failed')"
        ):
            told[action.partition(".")[2]][str(target).replace("-", "")] += 1
        ended = {"done": "completed", "failed": "failed"}
        return [
            f"{pk} is {status} and was recorded {told[ended[status]][pk]} times"
            for pk, (status, _sha256, _image) in rows.items()
            if status in ended and told[ended[status]][pk] != 1
        ]


def _dashed(pk: str) -> str:
    return f"{pk[:8]}-{pk[8:12]}-{pk[12:16]}-{pk[16:20]}-{pk[20:]}"


def all_ended(installation: Installation) -> bool:
    """Whether no detection waits or runs any more."""
    open_work = "select count(*) from detection_detection where status in ('queued', 'running')"
    return installation.database.count(open_work) == 0
