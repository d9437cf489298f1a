"""JSON bodies: small, and always one object."""

import io
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from detection.errors import Refused

MAX_BYTES = 64 * 1024


class ObjectParser(JSONParser):
    """DRF's own reads a body of any length into memory, and fails on one that is nested deeply."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise Refused("too_large")
        try:
            parsed = super().parse(io.BytesIO(body), media_type, parser_context)
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        if not isinstance(parsed, dict):
            raise ParseError("The body must be a JSON object.")
        return parsed
