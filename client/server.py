"""A desk from Python: submit images, wait for verdicts, ask about them.

    with Desk("https://desk.example.org", key) as desk:
        detection = desk.judge("photo.jpg", metadata={"story": 7})
        print(detection["verdict"], detection["probability"])

Every request is repeated while that may help, and no repetition judges an image twice. Several
threads may use one Desk. Every method may raise `client.errors.DeskError`.
"""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self, Unpack, cast

import httpx

from client.errors import DeskError
from client.files import size_of, transferable
from client.reviews import Reviews
from client.shapes import AcceptedBatch, Batch, Detection, Feedback, Terms
from client.transport import Transport, body_of, retry_after_s
from client.uploads import upload

LARGE_BYTES = 5 * 1024 * 1024  # from here on a cut is expensive enough for resumable uploads
HELD_S = 25.0  # how long one answer may be held; the desk's own limit is 30
ASK_AGAIN_S = 1.0
FINISHED = frozenset({"done", "failed"})
READ, WRITE = "detections:read", "detections:write"
File = Path | str | BinaryIO


class Desk:
    """One server and one key.

    Args:
        url: such as https://desk.example.org.
        key: umk_…, from the page *API keys*.
        patience_s: how long a busy desk is asked again; one that is away gets 20 seconds before its
            first answer, and then two minutes.
        transport: another way to send requests, for tests.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience_s: float = 600.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._transport = Transport(url, key, patience_s=patience_s, transport=transport)
        self.reviews = Reviews(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def judge(self, file: File, *, timeout_s: float = 600.0, **terms: Unpack[Terms]) -> Detection:
        """Submit one image and wait until it is done or failed."""
        deadline = time.monotonic() + timeout_s
        detection = self.submit(file, wait_s=min(HELD_S, timeout_s), **terms)
        return self.wait(detection, timeout_s=deadline - time.monotonic())

    def submit(
        self,
        file: File,
        *,
        name: str = "",
        wait_s: float = 0.0,
        idempotency_key: str = "",
        **terms: Unpack[Terms],
    ) -> Detection:
        """Submit one image, from 5 MB on in pieces that a cut line does not lose.

        Args:
            file: a path, or a stream that can be rewound.
            name: of the file, for the people who read about it; that of the path if not given.
            wait_s: how long the answer may be held for the verdict, at most 30 seconds; it comes
                without one after that, and always at once for what is sent in pieces.
            idempotency_key: under which sending the same again within a day, from another process
                too, gives the first answer; one of its own if not given. Without effect on what is
                sent in pieces: begun anew, that is another submission of the same image.
        """
        idempotency_key = idempotency_key or str(uuid.uuid4())
        with _opened(file) as (stream, own_name):
            name = transferable(name or own_name)
            size = size_of(stream)
            if size > LARGE_BYTES:
                return self._submit_large(stream, size, name, idempotency_key, terms)
            answer = self._transport.request(
                "POST",
                "detections",
                scope=WRITE,
                headers=_headers(idempotency_key, wait_s),
                data=_fields(terms),
                files={"image": (name, stream, "application/octet-stream")},
            )
        return cast(Detection, body_of(answer))

    def submit_url(
        self, url: str, *, wait_s: float = 0.0, idempotency_key: str = "", **terms: Unpack[Terms]
    ) -> Detection:
        """Have the desk fetch the image from an address."""
        answer = self._transport.request(
            "POST",
            "detections",
            scope=WRITE,
            headers=_headers(idempotency_key or str(uuid.uuid4()), wait_s),
            files=[(name, (None, text)) for name, text in {"url": url, **_fields(terms)}.items()],
        )
        return cast(Detection, body_of(answer))

    def submit_batch(
        self,
        files: Sequence[File],
        *,
        names: Sequence[str] = (),
        idempotency_key: str = "",
        **terms: Unpack[Terms],
    ) -> AcceptedBatch:
        """Submit up to 100 images, 500 MB together, in one request; each is accepted or refused."""
        with ExitStack() as stack:
            opened = [stack.enter_context(_opened(file)) for file in files]
            names = names or [name for _, name in opened]
            answer = self._transport.request(
                "POST",
                "detections/batch",
                scope=WRITE,
                headers=_headers(idempotency_key or str(uuid.uuid4())),
                data=_fields(terms),
                files=[
                    ("images", (transferable(name), stream, "application/octet-stream"))
                    for name, (stream, _) in zip(names, opened, strict=True)
                ],
            )
        return cast(AcceptedBatch, body_of(answer))

    def wait(self, detection: Detection | str, *, timeout_s: float = 600.0) -> Detection:
        """Ask until a detection is done or failed.

        Raises:
            DeskError: `wait_timeout`, and the desk goes on judging.
        """
        if not isinstance(detection, str) and detection["status"] in FINISHED:
            return detection
        detection_id = detection if isinstance(detection, str) else detection["id"]
        deadline = time.monotonic() + timeout_s
        while True:
            held_s = min(HELD_S, max(0.0, deadline - time.monotonic()))
            answer = self._get(f"detections/{detection_id}", wait_s=held_s)
            found = cast(Detection, body_of(answer))
            if found["status"] in FINISHED:
                return found
            _pause(answer, deadline, f"no verdict within {timeout_s:.0f} s; it is still coming")

    def wait_for_batch(self, batch_id: str, *, timeout_s: float = 600.0) -> list[Detection]:
        """Ask until every image of a batch is done or failed; its detections, newest first."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self._get(f"batches/{batch_id}", params={"results": "false"})
            counts = cast(Batch, body_of(answer))["counts"]
            if not counts["queued"] + counts["running"]:
                return list(self.detections(batch=batch_id))
            _pause(answer, deadline, f"the batch is not done within {timeout_s:.0f} s")

    def detection(self, detection_id: str) -> Detection:
        return cast(Detection, body_of(self._get(f"detections/{detection_id}")))

    def detections(self, **filters: str) -> Iterator[Detection]:
        """Detections, newest first, page after page.

        Args:
            filters: verdict, status, sha256, since, until, batch.
        """
        cursor: str | None = ""
        while cursor is not None:
            params = {**filters, "cursor": cursor} if cursor else filters
            page = body_of(self._get("detections", params=params))
            yield from page["results"]
            cursor = page["next"]

    def batch(self, batch_id: str) -> Batch:
        return cast(Batch, body_of(self._get(f"batches/{batch_id}")))

    def feedback(
        self, detection_id: str, *, label: str, category: str, comment: str = ""
    ) -> Feedback:
        """Tell what a person knows of an image.

        Args:
            label: real, fake or unknown.
            category: false_positive, false_negative, confirmation or other.
        """
        answer = self._transport.request(
            "POST",
            f"detections/{detection_id}/feedback",
            scope="feedback:write",
            headers=_headers(str(uuid.uuid4())),
            json={"label": label, "category": category, "comment": comment},
        )
        return cast(Feedback, body_of(answer))

    def request_review(self, detection_id: str) -> Detection:
        """Have a person look at a detection that has its verdict."""
        answer = self._transport.request("POST", f"detections/{detection_id}/review", scope=WRITE)
        return cast(Detection, body_of(answer))

    def models(self) -> Any:
        """The registered models with what was measured of them, as docs/api.md describes."""
        return body_of(self._get("models", scope="models:read"))

    def active_model(self) -> dict[str, Any]:
        return cast(dict[str, Any], body_of(self._get("models/active", scope="models:read")))

    def _submit_large(
        self, stream: BinaryIO, size: int, name: str, idempotency_key: str, terms: Terms
    ) -> Detection:
        detection_id = upload(
            self._transport,
            stream,
            size=size,
            fields={"filename": name, **_fields(terms)},
            idempotency_key=idempotency_key,
        )
        return self.detection(detection_id)

    def _get(
        self,
        path: str,
        *,
        scope: str = READ,
        wait_s: float = 0.0,
        params: dict[str, str] | None = None,
    ) -> httpx.Response:
        return self._transport.request(
            "GET", path, scope=scope, headers=_headers("", wait_s), params=params
        )


@contextmanager
def _opened(file: File) -> Iterator[tuple[BinaryIO, str]]:
    """A stream and the name of the file; a stream that was given stays open."""
    if isinstance(file, (str, Path)):
        with Path(file).open("rb") as stream:
            yield stream, Path(file).name
    else:
        yield file, ""


def _headers(idempotency_key: str, wait_s: float = 0.0) -> dict[str, str]:
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return {**headers, "Prefer": f"wait={wait_s:.0f}"} if wait_s >= 1 else headers


def _fields(terms: Terms) -> dict[str, str]:
    """As form fields, which know nothing but text."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in terms.items()
    }


def _pause(answer: httpx.Response, deadline: float, too_late: str) -> None:
    """Until the desk wants to be asked again: at once, where it has held its answer."""
    pause_s = retry_after_s(answer)
    if "Preference-Applied" in answer.headers:
        pause_s = 0.0
    pause_s = ASK_AGAIN_S if pause_s is None else pause_s
    if time.monotonic() + pause_s >= deadline:
        raise DeskError("wait_timeout", too_late)
    time.sleep(pause_s)
