"""What a key's scopes allow; a signed-in person without a key is not narrowed."""

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import ApiKey


class DetectionScopes(BasePermission):
    """`detections:read` to read, `detections:write` to submit."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        Scope = ApiKey.Scope  # noqa: N806 (an enum's own name)
        is_read = request.method in SAFE_METHODS
        return request.auth.allows(Scope.DETECTIONS_READ if is_read else Scope.DETECTIONS_WRITE)


class WebhookScope(BasePermission):
    """A key with `webhooks:write` for everything.

    A session is not enough: on the pages a secret is given after a confirmation alone, and an
    address here may not be the way around it.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, ApiKey) and request.auth.allows(ApiKey.Scope.WEBHOOKS_WRITE)
