"""`unmask verify-report`: is this report as a desk issued it, and does it still stand?"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from client import report_file
from client.errors import DeskError
from client.files import opened
from client.transport import TIMEOUT, body_of, checked_address, user_agent

INTACT, NOT_ISSUED = report_file.INTACT, "not_issued"
STATES = frozenset({"current", "superseded", "revoked", "erased"})
# 2 is for what is whole and no longer stands; 3, as everywhere in this command, for no answer.
EXIT_CODES = {
    INTACT: 0,
    "current": 0,
    report_file.ALTERED: 1,
    NOT_ISSUED: 1,
    "superseded": 2,
    "revoked": 2,
    "erased": 2,
    report_file.NO_REPORT: 3,
    report_file.UNKNOWN_KEY: 4,
}
SENTENCES = {
    INTACT: "intact: no byte was changed; only its desk knows whether it still stands (--server)",
    "current": "intact, and it still stands",
    report_file.ALTERED: "ALTERED: this is not the file that was signed",
    NOT_ISSUED: "DISTRUST IT: signed with the desk's key, but the desk has no record of it",
    "superseded": "superseded: no byte was changed, but it is not the last word",
    "revoked": "revoked: no byte was changed, but the desk no longer stands by it",
    "erased": "erased: no byte was changed; the image was erased since",
    report_file.NO_REPORT: "no report: the file has no signature of this kind",
    report_file.UNKNOWN_KEY: "unknown key: whole, but signed with none of the keys you trust",
}
BECAUSE = {
    "later_model": "a later version of the model has judged the image",
    "later_review": "a reviewer has decided about the image since",
    "review_withdrawn": "the review that it tells of was taken back since",
}


@dataclass(frozen=True)
class Verified:
    """What a file turned out to be.

    Attributes:
        result: a key of `EXIT_CODES`.
        because: what superseded it.
        statement: what was signed; empty unless the file is whole.
    """

    path: str
    result: str
    because: str = ""
    statement: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.result]

    @property
    def sentence(self) -> str:
        """What that means, and why; a reason that came after this version stays a code."""
        because = BECAUSE.get(self.because, self.because)
        return f"{SENTENCES[self.result]}: {because}" if because else SENTENCES[self.result]

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


def verify(
    path: Path,
    *,
    keys: Path | None = None,
    server: str = "",
    transport: httpx.BaseTransport | None = None,
) -> Verified:
    """Check one report; without a server nothing is sent anywhere.

    Args:
        keys: a file with trusted public keys; with it, a server is not asked for its own.
        server: a desk that is asked whether the report still stands.
        transport: another way to send requests, for tests.
    Raises:
        DeskError: the server did not answer.
        OSError: a file cannot be read.
        ValueError: the file of keys holds none.
    """
    with opened(path) as file:
        data = file.read(report_file.MAX_BYTES + 1)
    if len(data) > report_file.MAX_BYTES:
        return Verified(str(path), report_file.NO_REPORT)
    if not server:
        return _held_against(path, data, read_keys(keys) if keys else set())
    with _PublicDesk(server, transport) as desk:
        trusted = read_keys(keys) if keys else desk.keys()
        found = _held_against(path, data, trusted)
        if found.result != INTACT:
            return found
        sha256 = report_file.check(data, trusted).sha256
        result, because = desk.standing(str(found.statement["report"]), sha256)
        return Verified(str(path), result, because, found.statement)


def read_keys(path: Path) -> set[str]:
    """Public keys from a file: in hex, one a line, or as `/api/v1/reports/keys` gives them.

    Raises:
        ValueError: it holds none.
    """
    text = path.read_text("utf-8")
    if text.lstrip().startswith("{"):
        found = _keys_of(json.loads(text))
    else:
        found = {line for line in text.split() if report_file.PUBLIC_KEY.fullmatch(line)}
    if not found:
        raise ValueError(f"{path} holds no public key: 64 hexadecimal digits a line")
    return found


class _PublicDesk:
    """What a desk tells everybody, so that no key is needed."""

    def __init__(self, server: str, transport: httpx.BaseTransport | None) -> None:
        self.url = checked_address(server)
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"User-Agent": user_agent()},
            timeout=TIMEOUT,
            transport=transport,
        )

    def __enter__(self) -> "_PublicDesk":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def keys(self) -> set[str]:
        answer = self._get("reports/keys")
        if not answer.is_success:
            raise self._refusal(answer)
        return _keys_of(body_of(answer))

    def standing(self, report: str, sha256: str) -> tuple[str, str]:
        """State and why; `not_issued` where the desk knows no such file."""
        answer = self._get(f"reports/{report}", sha256=sha256)
        if answer.status_code == 404:
            return NOT_ISSUED, ""
        if not answer.is_success:
            raise self._refusal(answer)
        body = body_of(answer)
        state = body.get("state") if isinstance(body, dict) else None
        if state not in STATES:
            raise DeskError("not_a_desk", f"{self.url} has no API of Unmask")
        return state, body.get("because") or ""

    def _get(self, path: str, **params: str) -> httpx.Response:
        try:
            return self._http.get(path, params=params)
        except httpx.RequestError as error:
            why = str(error) or type(error).__name__
            raise DeskError("server_unreachable", f"{self.url} does not answer: {why}") from None

    def _refusal(self, answer: httpx.Response) -> DeskError:
        detail = f"{self.url} answered {answer.status_code} {answer.reason_phrase}"
        return DeskError("http_error", detail, status=answer.status_code)


def _held_against(path: Path, data: bytes, trusted: set[str]) -> Verified:
    checked = report_file.check(data, trusted)
    return Verified(str(path), checked.result, statement=checked.statement)


def _keys_of(body: Any) -> set[str]:
    keys = body.get("keys", []) if isinstance(body, dict) else []
    public = [str(key.get("public_key", "")) for key in keys if isinstance(key, dict)]
    return {key for key in public if report_file.PUBLIC_KEY.fullmatch(key)}
