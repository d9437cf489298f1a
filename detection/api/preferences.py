"""`Prefer: wait=N` (RFC 7240): the answer is held until there is one worth giving."""

import re
import uuid

from rest_framework.request import Request
from rest_framework.response import Response

from detection import waiting

WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,5})\"?\s*(?=$|[,;])", re.IGNORECASE)


def wished_wait_s(request: Request) -> int:
    """Seconds that the client would wait, at most `waiting.MAX_WAIT_S`; 0 where it says nothing."""
    found = WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), waiting.MAX_WAIT_S) if found else 0


def held(request: Request, pk: uuid.UUID) -> int:
    """Wait for a detection's end as the client wishes; says how many seconds were granted.

    Nothing is granted where too many wait already: that is answered at once.
    """
    if seconds := wished_wait_s(request):
        with waiting.slot() as is_free:
            if is_free:
                waiting.wait_for_end(pk, seconds)
                return seconds
    return 0


def applied(response: Response, granted_s: int) -> Response:
    """Say that the preference was honoured, where it was."""
    if granted_s:
        response["Preference-Applied"] = f"wait={granted_s}"
    return response
