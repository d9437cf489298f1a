"""Log lines that stay lines, whatever a client put into them."""

import logging


class OneLineFormatter(logging.Formatter):
    """Escapes control characters, so that a client's text cannot forge a second log line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
