"""A desk in memory: what the client sees of one, with faults on demand.

A file's first letter is its verdict: a, i, m; with x it is refused, with f it cannot be judged.
"""

import hashlib
import json
import re
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

KEY = "umk_00000000_" + "k" * 32
VERDICTS = {"a": "likely_authentic", "i": "inconclusive", "m": "likely_manipulated"}
REFUSED = {"code": "unsupported_format", "detail": "This is no photograph.", "request_id": "r1"}
Part = tuple[str, str, bytes]


def problem(status: int, code: str, detail: str = "", **headers: str) -> httpx.Response:
    headers = {"Content-Type": "application/problem+json", **headers}
    return httpx.Response(
        status, headers=headers, content=json.dumps({"code": code, "detail": detail})
    )


class StubDesk:
    """Answers as docs/api.md says.

    Attributes:
        faults: answered, or raised, before anything else is done; None lets one request through.
        after: the same, in place of the answer to what was done, where there was no fault before.
        polls: how often a detection is still being judged when it is asked for.
    """

    def __init__(self, *, polls: int = 0) -> None:
        self.polls = polls
        self.faults: list[httpx.Response | Exception | None] = []
        self.after: list[httpx.Response | Exception | None] = []
        self.requests: list[httpx.Request] = []
        self.detections: dict[str, dict[str, Any]] = {}
        self.submissions: list[dict[str, Any]] = []
        self.batches: dict[str, list[str]] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.feedback: list[dict[str, Any]] = []
        self._answers: dict[str, httpx.Response] = {}
        self._asked: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            self.requests.append(request)
            fault = self.faults.pop(0) if self.faults else None
            if fault is None:
                answer = self._answer(request)
                fault = self.after.pop(0) if self.after else None
            if isinstance(fault, Exception):
                raise fault
            return fault or answer

    def paths(self, method: str) -> list[str]:
        requests = [r for r in self.requests if r.method == method]
        return [r.url.path.removeprefix("/api/v1/") for r in requests]

    def keys(self) -> list[str]:
        """Idempotency keys, one a POST."""
        return [r.headers["Idempotency-Key"] for r in self.requests if r.method == "POST"]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return problem(401, "authentication_failed", "This API key is not valid.")
        key = request.headers.get("Idempotency-Key", "")
        if key in self._answers:
            return self._answers[key]
        name, *rest = request.url.path.removeprefix("/api/v1/").split("/")
        answer = getattr(self, f"_{request.method.lower()}_{name}")(request, *rest)
        if key and answer.is_success:
            self._answers[key] = answer
        return answer

    def _post_detections(
        self, request: httpx.Request, pk: str = "", resource: str = ""
    ) -> httpx.Response:
        if resource == "feedback":
            self.feedback.append({"detection": pk, **json.loads(request.content)})
            return httpx.Response(201, json={"id": 1, **json.loads(request.content)})
        fields = _fields(request)
        if pk == "batch":
            return self._accept_batch(fields)
        [(_, name, data)] = [part for part in fields if part[0] == "image"]
        if data[:1] in {b"x", b""}:
            return problem(415, REFUSED["code"], REFUSED["detail"])
        detection = self._accept(name, data, _plain(fields))
        return self._shown(request, detection["id"])

    def _accept_batch(self, fields: list[Part]) -> httpx.Response:
        batch = f"b{len(self.batches)}"
        results = []
        self.batches[batch] = []
        files = [part for part in fields if part[0] == "images"]
        for position, (_, name, data) in enumerate(files):
            item = {"position": position, "file_name": name, "detection": None, "problem": None}
            if data[:1] == b"x":
                results.append({**item, "status": 415, "problem": REFUSED})
                continue
            detection = self._accept(name, data, _plain(fields))
            self.batches[batch].append(detection["id"])
            results.append({**item, "status": 202, "detection": _unfinished(detection)})
        return httpx.Response(202, json={"id": batch, "links": {}, "results": results})

    def _get_batches(self, request: httpx.Request, batch: str) -> httpx.Response:
        is_open = self._is_open(batch)
        size = len(self.batches[batch])
        counts = {"queued": size if is_open else 0, "running": 0, "done": 0 if is_open else size}
        counts |= {"failed": 0, "refused": 0}
        return httpx.Response(200, json={"id": batch, "size": size, "counts": counts})

    def _get_detections(self, request: httpx.Request, pk: str = "") -> httpx.Response:
        if pk:
            if pk not in self.detections:
                return problem(404, "not_found", "Not found.")
            return self._shown(request, pk)
        found = self.batches.get(request.url.params.get("batch", ""), list(self.detections))
        start = int(request.url.params.get("cursor", 0))
        rows = [self.detections[one] for one in found[start : start + 2]]
        following = str(start + 2) if len(found) > start + 2 else None
        return httpx.Response(200, json={"results": rows, "next": following})

    def _post_uploads(self, request: httpx.Request) -> httpx.Response:
        pairs = [pair.split(" ") for pair in request.headers["Upload-Metadata"].split(",")]
        fields = {name: b64decode(value).decode() for name, value in pairs}
        pk = f"u{len(self.uploads)}"
        size = int(request.headers["Upload-Length"])
        self.uploads[pk] = {"fields": fields, "size": size, "data": b"", "detection": None}
        address = str(request.url.join(f"/api/v1/uploads/{pk}"))
        return httpx.Response(201, headers={"Location": address})

    def _head_uploads(self, request: httpx.Request, pk: str) -> httpx.Response:
        if pk not in self.uploads:
            return httpx.Response(404)
        return httpx.Response(200, headers=self._progress(request, pk))

    def _patch_uploads(self, request: httpx.Request, pk: str) -> httpx.Response:
        upload = self.uploads[pk]
        if int(request.headers["Upload-Offset"]) != len(upload["data"]):
            return problem(409, "wrong_offset")
        upload["data"] += request.content
        if len(upload["data"]) == upload["size"] and not upload["detection"]:
            fields = dict(upload["fields"])
            upload["detection"] = self._accept(fields.pop("filename"), upload["data"], fields)
        return httpx.Response(204, headers=self._progress(request, pk))

    def _progress(self, request: httpx.Request, pk: str) -> dict[str, str]:
        upload = self.uploads[pk]
        headers = {"Upload-Offset": str(len(upload["data"]))}
        if upload["detection"]:
            path = f"/api/v1/detections/{upload['detection']['id']}"
            headers["Unmask-Detection"] = str(request.url.join(path))
        return headers

    def _accept(self, name: str, data: bytes, fields: dict[str, str]) -> dict[str, Any]:
        pk = f"d{len(self.submissions)}"
        self.submissions.append({"id": pk, "file_name": name, "data": data, **fields})
        self.detections[pk] = _finished(pk, data)
        return self.detections[pk]

    def _shown(self, request: httpx.Request, pk: str) -> httpx.Response:
        detection = self.detections[pk]
        if self._is_open(pk):
            return httpx.Response(202, json=_unfinished(detection), headers={"Retry-After": "3"})
        return httpx.Response(200, json=detection)

    def _is_open(self, pk: str) -> bool:
        self._asked[pk] = self._asked.get(pk, 0) + 1
        return self._asked[pk] <= self.polls


def _finished(pk: str, data: bytes) -> dict[str, Any]:
    verdict = VERDICTS.get(chr(data[0]))
    failure = None if verdict else {"code": "truncated", "detail": "The file breaks off."}
    return {
        "id": pk,
        "status": "failed" if failure else "done",
        "image": {"sha256": hashlib.sha256(data).hexdigest()},
        "verdict": verdict,
        "probability": None if failure else 0.25,
        "reasons": ["unstable"] if verdict == "inconclusive" else [],
        "faces": [],
        "failure": failure,
        "model": {"name": "stub", "version": "1", "artifact_sha256": "0" * 64},
        "links": {"page": f"https://desk.example.org/detections/{pk}"},
    }


def _unfinished(detection: dict[str, Any]) -> dict[str, Any]:
    nothing = {"verdict": None, "probability": None, "reasons": [], "failure": None}
    return {**detection, "status": "queued", **nothing}


def _fields(request: httpx.Request) -> list[Part]:
    """Name, file name and content of each part of a form."""
    boundary = b"--" + request.headers["Content-Type"].partition("boundary=")[2].encode()
    fields = []
    for part in request.content.split(boundary)[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        name, file_name = (
            found[1].decode() if (found := re.search(rb' %s="([^"]*)"' % key, head)) else ""
            for key in (b"name", b"filename")
        )
        fields.append((name, file_name, data.removesuffix(b"\r\n")))
    return fields


def _plain(fields: list[Part]) -> dict[str, str]:
    return {name: data.decode() for name, file_name, data in fields if not file_name}


@contextmanager
def serving(desk: StubDesk) -> Iterator[str]:
    """The desk on a port of this machine; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = f"http://{self.headers['Host']}{self.path}"
            request = httpx.Request(self.command, url, headers=dict(self.headers), content=body)
            answer = desk(request)
            content = answer.read()
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            if answer.status_code != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_HEAD = _handle  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing: tests read their standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
