"""Content types whose parameters Django could not read, mended before it meets them.

Django decodes the query with the charset that the body claims, whichever codec of Python's that
names, while it makes the request: too early for any middleware to turn a failure into an answer.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.utils.http import parse_header_parameters

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
PROBE = b"%\xff"  # some codecs only fail where there is something to decode, or to replace


def with_readable_content_types(application: Application) -> Application:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if ";" in (sent := environ.get("CONTENT_TYPE", "")):
            environ["CONTENT_TYPE"] = readable(sent)
        return application(environ, start_response)

    return answer


def readable(sent: str) -> str:
    """The content type as sent; without a charset that is no text encoding of Python's."""
    try:
        media_type, parameters = parse_header_parameters(sent)
    except (LookupError, ValueError):  # an encoded parameter in an encoding that there is not
        return sent.partition(";")[0]
    if "charset" not in parameters or _decodes(parameters["charset"]):
        return sent
    kept = [f'; {name}="{value}"' for name, value in parameters.items() if name != "charset"]
    return media_type + "".join(kept)


def _decodes(charset: str) -> bool:
    try:
        PROBE.decode(charset, "replace")
    except (LookupError, ValueError):
        return False
    return True
