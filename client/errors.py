"""Why a desk did not do what it was asked."""

from typing import Any


class DeskError(Exception):
    """A refusal, or an answer that never came.

    Attributes:
        code: stable; the desk's own, or `server_unreachable`, `tls_error`, `redirected`,
            `not_a_desk`, `http_error`, `upload_gone`, `wait_timeout`, `address_malformed`,
            `key_malformed`.
        detail: a sentence for people.
        status: of the HTTP answer; None where there was none.
        problem: the whole body of the desk's problem+json, `errors` and `request_id` included.
        is_hopeless: the next file would meet the same error.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        problem: dict[str, Any] | None = None,
        is_hopeless: bool = False,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.problem = problem or {}
        self.is_hopeless = is_hopeless


class Unsettled(DeskError):  # noqa: N818 (it names where the request stands)
    """Neither accepted nor refused: the same request may be sent again, after `retry_after_s`."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        problem: dict[str, Any] | None = None,
        is_hopeless: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, detail, status=status, problem=problem, is_hopeless=is_hopeless)
        self.retry_after_s = retry_after_s
