"""What a key's scopes allow; a signed-in person without a key is not narrowed."""

from typing import ClassVar

from rest_framework.exceptions import NotFound
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import ApiKey

Scope = ApiKey.Scope


class KeyScopes(BasePermission):
    """One scope to read, one to write."""

    to_read: ClassVar[ApiKey.Scope]
    to_write: ClassVar[ApiKey.Scope]

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        is_read = request.method in SAFE_METHODS
        return request.auth.allows(self.to_read if is_read else self.to_write)


class DetectionScopes(KeyScopes):
    to_read, to_write = Scope.DETECTIONS_READ, Scope.DETECTIONS_WRITE


class CaseScopes(KeyScopes):
    to_read, to_write = Scope.CASES_READ, Scope.CASES_WRITE


class SimilarScopes(KeyScopes):
    to_read = to_write = Scope.DETECTIONS_READ  # searching with an image writes nothing


class FeedbackScopes(KeyScopes):
    to_read = to_write = Scope.FEEDBACK_WRITE


class AdministratorsOnly(BasePermission):
    """To everybody else the address does not exist; methods that nobody has are 405 to all."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_answered = hasattr(view, (request.method or "").lower())
        if is_answered and not request.user.is_superuser:
            raise NotFound
        return True


class ModelScopes(KeyScopes):
    to_read = to_write = Scope.MODELS_READ


class ReviewScopes(KeyScopes):
    """Reviewers alone, whatever they ask: nobody else learns whether there is an item."""

    to_read = to_write = Scope.REVIEWS_WRITE

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_reviewer = getattr(request.user, "is_reviewer", False)
        return is_reviewer and super().has_permission(request, view)


class DeskScopes(KeyScopes):
    to_read, to_write = Scope.MODELS_READ, Scope.MODELS_WRITE  # and a role, which views ask for


class UploadScopes(KeyScopes):
    to_read = to_write = Scope.DETECTIONS_WRITE  # to ask how much came is a part of sending


class WebhookScope(BasePermission):
    """A key with `webhooks:write` for everything.

    A session is not enough: on the pages a secret is given after a confirmation alone, and an
    address here may not be the way around it.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, ApiKey) and request.auth.allows(ApiKey.Scope.WEBHOOKS_WRITE)


class RegistryScopes(KeyScopes):
    """To read as for everything else; to change, a key with `models:write`.

    A session is not enough for that, for the reason that `WebhookScope` gives.
    """

    to_read, to_write = Scope.MODELS_READ, Scope.MODELS_WRITE

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_read = request.method in SAFE_METHODS
        return (is_read or isinstance(request.auth, ApiKey)) and super().has_permission(
            request, view
        )
