"""Log lines that stay lines, as text or JSON, and name nobody, whatever a client put into them."""

import logging
import re
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

# What Django, gunicorn or an exception may quote of a request: no code of ours logs any of it.
_PERSONAL = re.compile(
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"  # an e-mail address
    r"|(?<=umk_)\w+"  # an API key
    r"|(?<=/reset/key/)[^/\s]+|(?<=/confirm-email/)[^/\s]+"  # what a mailed link opens
    r"|(?<=/shared/)[^/\s?'\"]+"  # what a shared report opens with
    r"|(?<=ip=)\S+"  # gunicorn, of whom it did not understand
    r"|(?<=\S\?)[^\s?'\"<>]*=[^\s'\"<>]*"  # a query string
)


def without_persons(text: str) -> str:
    """The text, with `***` for addresses, keys, mailed links and query strings."""
    return _PERSONAL.sub("***", text)


class OneLineFormatter(logging.Formatter):
    """Escapes control characters, so that a client's text cannot forge a second log line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)

    def format(self, record: logging.LogRecord) -> str:
        return without_persons(super().format(record))


class OneObjectFormatter(JsonFormatter):
    """One JSON object a line, of these fields alone: others may hold whole requests."""

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        at = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = at.isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["request_id"] = getattr(record, "request_id", "-")
        log_data["message"] = without_persons(record.getMessage())
        if trace := message_dict.get("exc_info"):
            log_data["traceback"] = without_persons(str(trace))
