"""Headers of answers that are the bytes of a picture and shall never be more than that."""

from typing import TypeVar

from django.http.response import HttpResponseBase

SANDBOX = "sandbox; default-src 'none'"
FOR_TEN_MINUTES = "private, max-age=600"
Answer = TypeVar("Answer", bound=HttpResponseBase)


def sandboxed(response: Answer, *, cache_control: str) -> Answer:
    """The response, without rights in a browser and out of shared caches."""
    response["Cache-Control"] = cache_control
    response["Content-Security-Policy"] = SANDBOX
    return response
