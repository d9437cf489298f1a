"""The API's general limit: so many requests a minute for each person, over all of their keys."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import User
from deepfake_site.rate_limits import Limit, Taken, take

PER_S = 60
_ON_REQUEST = "unmask_taken"


class OwnerThrottle(BaseThrottle):
    """Counts by the owner of the key or session; nobody else gets as far as here."""

    taken: Taken | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, User):
            return True
        limit = Limit(settings.API_REQUESTS_PER_MINUTE, PER_S)
        self.taken = take("api", str(request.user.pk), limit)
        setattr(request._request, _ON_REQUEST, self.taken)
        return self.taken.is_allowed

    def wait(self) -> float | None:
        return self.taken.wait_s if self.taken else None


def headers_of(request: HttpRequest) -> dict[str, str]:
    """What a counted request's answer says of the limit, in the old words and the new ones.

    Source: draft-ietf-httpapi-ratelimit-headers-10 for `RateLimit-Policy` and `RateLimit`.
    """
    taken: Taken | None = getattr(request, _ON_REQUEST, None)
    if taken is None:
        return {}
    return {
        "RateLimit-Policy": f'"default";q={taken.limit.amount};w={taken.limit.per_s}',
        "RateLimit": f'"default";r={taken.remaining};t={taken.wait_s}',
        "RateLimit-Limit": str(taken.limit.amount),
        "RateLimit-Remaining": str(taken.remaining),
        "RateLimit-Reset": str(taken.wait_s),
    }
