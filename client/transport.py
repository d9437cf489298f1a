"""HTTP to one desk: with its key, with patience, and with errors that say what to do."""

import re
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from client.errors import DeskError, Unsettled

FIRST_CONTACT_S = 20.0  # an address that never answered is more likely mistyped than restarting
OUTAGE_S = 120.0
# A held answer takes up to 30 s.
TIMEOUT = httpx.Timeout(connect=10, read=60, write=60, pool=None)
MAY_PASS = frozenset({429, 502, 503, 504, 507})
BUSY = frozenset({409, 423, 429})  # the desk is there, and does not want this request now
KEY = re.compile(r"umk_[0-9A-Za-z_]{10,200}")
BACKOFF = wait_exponential_jitter(multiplier=0.5, max=30, jitter=0.5)


class Transport:
    """Requests to one desk, each repeated while repeating may help."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience_s: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = checked_address(url)
        if not KEY.fullmatch(key):
            raise DeskError("key_malformed", "this is no API key: those begin with umk_")
        self._patience_s = patience_s
        self._has_answered = False
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"Authorization": f"Bearer {key}", "User-Agent": user_agent()},
            timeout=TIMEOUT,
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def patiently(self, attempt: Callable[[], httpx.Response]) -> httpx.Response:
        """Try again while the desk says that it may pass, or says nothing, up to a limit of time.

        Raises:
            DeskError: refused, or still unsettled at the end.
        """
        stop = _Limit(self._limit_s)
        retrying = Retrying(
            retry=retry_if_exception_type(Unsettled), wait=_pause_s, stop=stop, reraise=True
        )
        return retrying(attempt)

    def request(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        """One request, repeated with the same headers: an Idempotency-Key among them stays."""
        return self.patiently(lambda: self.once(method, path, scope=scope, headers=headers, **body))

    def once(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        may_pass: frozenset[int] = MAY_PASS,
        **options: Any,
    ) -> httpx.Response:
        """One request, sent once.

        Args:
            scope: what a key must be allowed for this, to be named where it is not.
            may_pass: statuses after which the same request may succeed.
        """
        try:
            answer = self._http.request(method, path, **options)
        except httpx.RequestError as error:
            raise self._unanswered(error) from None
        self._has_answered = True
        if answer.is_success:
            return answer
        raise self._refusal(answer, scope, may_pass)

    def _limit_s(self, error: Unsettled) -> float:
        if error.status in BUSY:
            return self._patience_s
        return min(self._patience_s, OUTAGE_S if self._has_answered else FIRST_CONTACT_S)

    def _unanswered(self, error: httpx.RequestError) -> DeskError:
        cause: BaseException | None = error if isinstance(error, httpx.ConnectError) else None
        while cause is not None:
            # A line that ends within the handshake is a restart, perhaps; all else stays wrong.
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
                return DeskError("tls_error", self._about_tls(cause), is_hopeless=True)
            cause = cause.__cause__ or cause.__context__
        why = str(error) or type(error).__name__
        return Unsettled(
            "server_unreachable", f"{self.url} does not answer: {why}", is_hopeless=True
        )

    def _about_tls(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {self.url} is not trusted: {error.verify_message}; a private "
                "authority's certificate can be named in SSL_CERT_FILE"
            )
        return f"no secure connection to {self.url}: {error.reason or error}"

    def _refusal(self, answer: httpx.Response, scope: str, may_pass: frozenset[int]) -> DeskError:
        status = answer.status_code
        problem = _problem(answer)
        after_s = retry_after_s(answer)
        if status in may_pass or (status == 409 and after_s is not None):
            return Unsettled(
                problem.get("code", "http_error"),
                problem.get("detail") or f"{self.url} answered {status} {answer.reason_phrase}",
                status=status,
                problem=problem,
                is_hopeless=status not in BUSY,
                retry_after_s=after_s,
            )
        code, detail, is_hopeless = self._explained(answer, problem, scope)
        return DeskError(code, detail, status=status, problem=problem, is_hopeless=is_hopeless)

    def _explained(
        self, answer: httpx.Response, problem: dict[str, Any], scope: str
    ) -> tuple[str, str, bool]:
        """Code, sentence, and whether every other request would end the same."""
        status = answer.status_code
        if answer.is_redirect:
            there = answer.headers.get("Location", "elsewhere")
            return "redirected", f"{self.url} redirects to {there}; use that address", True
        code = str(problem.get("code", ""))
        if status == 401:
            return code or "not_authenticated", f"{self.url} does not accept this key", True
        if status == 403 and code in {"", "permission_denied"}:
            detail = f"this key may not do that at {self.url}; it needs the scope {scope}"
            return code or "permission_denied", detail, True
        if code:
            return code, _sentence(problem), False
        return self._explained_without_words(answer)

    def _explained_without_words(self, answer: httpx.Response) -> tuple[str, str, bool]:
        """The same, of an answer that no desk gave: a proxy's, or another server's."""
        status = answer.status_code
        if status == 404:
            return "not_a_desk", f"{self.url} has no API of Unmask", True
        if status == 413:
            return "too_large", f"{self.url} does not accept that many bytes", False
        return "http_error", f"{self.url} answered {status} {answer.reason_phrase}", False


class _Limit:
    """Stops one request's repetitions so long after its first failure."""

    def __init__(self, limit_s: Callable[[Unsettled], float]) -> None:
        self._limit_s = limit_s
        self._first_failure: float | None = None

    def __call__(self, state: RetryCallState) -> bool:
        now = state.outcome_timestamp or time.monotonic()
        if self._first_failure is None:
            self._first_failure = now
        error = _failure(state)
        return now - self._first_failure + state.upcoming_sleep >= self._limit_s(error)


def retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds to wait, from either form of Retry-After; None where there is none."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def body_of(answer: httpx.Response) -> Any:
    """What a desk answered.

    Raises:
        DeskError: it is no JSON, so it was none of a desk's.
    """
    try:
        return answer.json()
    except ValueError:
        host = answer.request.url.copy_with(path="/", query=None)
        raise DeskError("not_a_desk", f"{host} has no API of Unmask", is_hopeless=True) from None


def _pause_s(state: RetryCallState) -> float:
    """What the desk asked for, or ever longer; never all clients at once."""
    after_s = _failure(state).retry_after_s
    backoff_s = BACKOFF(state)
    return backoff_s if after_s is None else after_s + min(backoff_s, 1.0)


def _failure(state: RetryCallState) -> Unsettled:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, Unsettled):
        raise TypeError(f"not a failure that is tried again: {error!r}")
    return error


def _problem(answer: httpx.Response) -> dict[str, Any]:
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return {}
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _sentence(problem: dict[str, Any]) -> str:
    """The detail, and what was wrong with each field."""
    fields = [
        f"{error['field']}: {error['detail']}" if error.get("field") else str(error.get("detail"))
        for error in problem.get("errors", [])
    ]
    return " ".join([str(problem.get("detail", "")), *fields]).strip()


def checked_address(url: str) -> str:
    """The address without what may follow it.

    Raises:
        DeskError: this is no address of a web server.
    """
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise DeskError("address_malformed", f"{url!r} is no address: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        detail = f"{url!r} is no address such as https://desk.example.org"
        raise DeskError("address_malformed", detail)
    if parsed.userinfo:
        raise DeskError("address_malformed", "the address must hold no name and no password")
    plain = str(parsed.copy_with(query=None, fragment=None))
    return plain.rstrip("/").removesuffix("/api/v1")


def user_agent() -> str:
    try:
        return f"unmask/{version('unmask')}"
    except PackageNotFoundError:
        return "unmask"
