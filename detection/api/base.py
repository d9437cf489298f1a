"""What the API's resources share: who calls, what they may see, the shapes of answers."""

from collections.abc import Callable
from typing import Any

from django.db.models import OuterRef, Prefetch, Subquery
from rest_framework.exceptions import (
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    ValidationError,
)
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiKey, User
from detection.errors import Refused
from detection.models import Case, Detection, Report, ReviewItem, Submission
from detection.models.detection import DetectionQuerySet
from detection.paging import AnyRow, Rows, is_cursor, page

PAGE_SIZE = 50
NO_CURSOR = "This is not a cursor that this API gave out."


class OneShape(BaseContentNegotiation):
    """A picture is a picture and its errors are JSON, whatever the client says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class Nowhere(APIView):
    """Every address the API does not have: also a 404 has the shape of the API's errors."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound


def caller(request: Request) -> User:
    """The person behind the session or the key; the permission classes let nobody else in."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def key_of(request: Request) -> ApiKey | None:
    """The API key that the request came with; None for a session."""
    return request.auth if isinstance(request.auth, ApiKey) else None


def via(request: Request) -> str:
    """By which door a submission came."""
    return Submission.Via.API if key_of(request) else Submission.Via.PAGE


def require_case(request: Request, case_id: str) -> None:
    """Refuse a submission into a case before its bytes are kept; empty names no case.

    Raises:
        PermissionDenied: the key may submit, and not change cases.
        Refused: there is no such open case that the caller may add to.
    """
    if not case_id:
        return
    key = key_of(request)
    if key is not None and not key.allows(ApiKey.Scope.CASES_WRITE):
        raise PermissionDenied
    if not Case.objects.writable_by(caller(request)).filter(pk=case_id).exists():
        raise Refused("case_unavailable")


def require_case_reading(request: Request) -> None:
    """Refuse a key that reads no cases the images of one.

    Raises:
        PermissionDenied: the address names a case, and the key lacks `cases:read`.
    """
    key = key_of(request)
    asks = bool(request.query_params.get("case"))
    if asks and key is not None and not key.allows(ApiKey.Scope.CASES_READ):
        raise PermissionDenied


def visible_detections(request: Request) -> DetectionQuerySet:
    """Detections the caller may see, with what an answer about them needs."""
    person = caller(request)
    own = Submission.objects.filter(detection=OuterRef("pk"), by=person).order_by("-created_at")
    standing = Report.objects.filter(revoked_at=None, removed_at=None)
    issued = standing.filter(detection=OuterRef("pk")).order_by("-created_at")
    return (
        Detection.objects.visible_to(person)
        .select_related("image", "model_version")
        .prefetch_related(reviews_shown_to(person))
        .annotate(
            own_metadata=Subquery(own.values("metadata")[:1]),
            latest_report=Subquery(issued.values("pk")[:1]),
        )
    )


def reviews_shown_to(person: User) -> Prefetch:
    """What a detection's answer says of its review, as `shown_reviews` of each row."""
    rows = ReviewItem.objects.beside_verdicts(person)
    return Prefetch("review_items", rows, to_attr="shown_reviews")


def keyset_page(
    rows: Rows[AnyRow], params: Any, shown: Callable[[list[AnyRow]], Any], size: int = PAGE_SIZE
) -> Response:
    """One page of rows, newest first, and the cursor of the next.

    Raises:
        ValidationError: the cursor is none of ours; the first page instead would let a client go
            round for ever.
    """
    cursor = params.get("cursor", "")
    if not is_cursor(cursor):
        raise ValidationError({"cursor": NO_CURSOR})
    found = page(rows, cursor=cursor, size=size)
    return Response({"results": shown(found.rows), "next": found.next_cursor or None})


def reviewer(request: Request) -> User:
    """The caller, who reviews.

    Raises:
        NotFound: to everybody else there is nothing here.
    """
    user = caller(request)
    if not user.is_reviewer:
        raise NotFound
    return user


def administrator(request: Request) -> User:
    """The caller, who runs this desk.

    Raises:
        NotFound: to everybody else there is nothing here.
    """
    user = caller(request)
    if not user.is_superuser:
        raise NotFound
    return user
