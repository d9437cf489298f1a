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


class UploadScopes(BasePermission):
    """`detections:write` for all about an upload: to ask how much came is a part of sending."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        return request.auth.allows(ApiKey.Scope.DETECTIONS_WRITE)
