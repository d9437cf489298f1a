"""The review desk for machines: `/api/v1/reviews`, and bringing a detection to it."""

import uuid
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from detection.api import idempotency
from detection.api.base import NO_CURSOR, PAGE_SIZE, caller, key_of, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes, ReviewScopes
from detection.api.review_serializers import DecisionForm, NoteForm, shown_decision, shown_items
from detection.api.review_shapes import NEW_DECISION, WITH_NOTE
from detection.api.schema import JSON, ONCE, operation, query
from detection.api.serializers import FLAGS, DetectionSerializer
from detection.errors import Refused
from detection.models import ReviewItem
from detection.services import review, review_claims, review_decisions, review_queue
from detection.services.idempotency import claim
from detection.services.review_decisions import may_know
from detection.services.review_queue import Asked

FILTERS = [
    query("status", "`open` unless said otherwise.", enum=ReviewItem.Status.values),
    query("reason", "Only those with this reason.", enum=ReviewItem.Reason.values),
    query("mine", "Those that you hold, or decided.", enum=[*FLAGS]),
    query("cursor", "`next` of the page before, of the same status.", format="cursor"),
]


class ReviewView(APIView):
    permission_classes = [*APIView.permission_classes, ReviewScopes]
    parser_classes = [ObjectParser]


class ReviewCollection(ReviewView):
    @operation(
        "listReviews",
        tag="Reviews",
        answers={200: "ReviewPage"},
        problems=[400, 422],
        parameters=FILTERS,
    )
    def get(self, request: Request) -> Response:
        """Items: the open ones most urgent and then oldest first, others the latest first."""
        asked, cursor = _asked(request), request.query_params.get("cursor", "")
        if not review_queue.is_cursor(cursor, asked.status):
            if any(review_queue.is_cursor(cursor, one) for one in ReviewItem.Status.values):
                raise Refused("cursor_of_other_order")
            raise ValidationError({"cursor": NO_CURSOR})
        found = review_queue.page(caller(request), asked, cursor=cursor, size=PAGE_SIZE)
        results = shown_items(request, found.rows)
        return Response({"results": results, "next": found.next_cursor or None})


class NextReview(ReviewView):
    @operation(
        "nextReview", tag="Reviews", answers={200: "Review", 204: None}, problems=[400, 409, 415]
    )
    def post(self, request: Request) -> Response:
        """Claim the most urgent item that nobody holds: 204 where there is none for you."""
        item = review_claims.next_item(caller(request))
        return (
            Response(status=status.HTTP_204_NO_CONTENT) if item is None else _shown(request, item)
        )


class ReviewResource(ReviewView):
    @operation("readReview", tag="Reviews", answers={200: "Review"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """One item, with what one may know of it."""
        return _shown(request, _item(request, pk))


class ReviewClaim(ReviewView):
    @operation("claimReview", tag="Reviews", answers={200: "Review"}, problems=[400, 404, 409, 415])
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Hold an item for ten minutes; again, to hold it for ten more."""
        return _shown(request, review_claims.claim(item=_item(request, pk), by=caller(request)))


class ReviewRelease(ReviewView):
    @operation(
        "releaseReview", tag="Reviews", answers={200: "Review"}, problems=[400, 404, 409, 415]
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Give an item back; without effect where one does not hold it."""
        review_claims.release(item=_item(request, pk), by=caller(request))
        return _shown(request, _item(request, pk))


class ReviewSkip(ReviewView):
    @operation("skipReview", tag="Reviews", answers={200: "Review"}, problems=[400, 404, 409, 415])
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Leave an item to others: it is not the next one for you for a day."""
        review_claims.skip(item=_item(request, pk), by=caller(request))
        return _shown(request, _item(request, pk))


class ReviewEscalation(ReviewView):
    @operation(
        "escalateReview",
        tag="Reviews",
        answers={200: "Review"},
        problems=[400, 404, 409, 415],
        body={JSON: WITH_NOTE},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Give an item to others with a note: before all else, and for one more opinion."""
        note = _note(request)
        review_claims.escalate(item=_item(request, pk), by=caller(request), note=note)
        return _shown(request, _item(request, pk))


class ReviewReopening(ReviewView):
    @operation(
        "reopenReview",
        tag="Reviews",
        answers={201: "Review"},
        problems=[400, 404, 409, 415],
        body={JSON: WITH_NOTE},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Have a closed item looked at again: 201 with the new one. Its outcome counts no more."""
        note = _note(request)
        new = review.reopen(item=_item(request, pk), by=caller(request), note=note)
        answer = _shown(request, new, status.HTTP_201_CREATED)
        answer["Location"] = request.build_absolute_uri(reverse("api_review", args=[new.pk]))
        return answer


class DecisionCollection(ReviewView):
    @operation(
        "decideReview",
        tag="Reviews",
        answers={201: "Decision"},
        problems=[400, 404, 409, 415, 422],
        body={JSON: NEW_DECISION},
        parameters=[ONCE],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Say what the image is; claim the item first."""
        item = _item(request, pk)
        form = DecisionForm(data=request.data)
        form.is_valid(raise_exception=True)
        said: dict[str, Any] = {"review": str(pk), **form.validated_data}
        promise = idempotency.promise_of(request, "decisions", said)
        with transaction.atomic():
            kept = claim(promise) if promise else None
            decision = review_decisions.decide(
                item=item, by=caller(request), api_key=key_of(request), **form.validated_data
            )
            answer = Response(
                shown_decision(decision, caller(request)), status=status.HTTP_201_CREATED
            )
            if kept is not None:
                idempotency.keep(kept, answer, detection=item.detection)
        return answer


class DecisionUndoing(ReviewView):
    @operation(
        "undoDecision", tag="Reviews", answers={200: "Review"}, problems=[400, 404, 409, 415]
    )
    def post(self, request: Request, pk: uuid.UUID, decision: uuid.UUID) -> Response:
        """Take back your own decision within 15 minutes; administrators take back any."""
        item = _item(request, pk)
        person, is_admin = caller(request), caller(request).role == User.Role.ADMIN
        row = item.decisions.filter(pk=decision).select_related("by").first()
        # One's own that does not count any more is there, and refused by name.
        if row is None or not (is_admin or may_know(person, item, row, even_undone=True)):
            raise NotFound
        return _shown(request, review_decisions.undo(decision=row, by=person))


class DetectionReview(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [ObjectParser]

    @operation(
        "requestReview",
        tag="Reviews",
        answers={202: "Detection"},
        problems=[400, 404, 409, 415],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Have a person look at a detection, whatever its verdict; once, however often you ask."""
        review.flag(
            by=caller(request), detection=get_object_or_404(visible_detections(request), pk=pk)
        )
        row = get_object_or_404(visible_detections(request), pk=pk)
        shown = DetectionSerializer(row, context={"request": request}).data
        return Response(shown, status=status.HTTP_202_ACCEPTED)


def _item(request: Request, pk: uuid.UUID) -> ReviewItem:
    rows = ReviewItem.objects.visible_to(caller(request)).select_related("detection")
    return get_object_or_404(rows, pk=pk)


def _shown(request: Request, item: ReviewItem, code: int = status.HTTP_200_OK) -> Response:
    return Response(shown_items(request, [item])[0], status=code)


def _note(request: Request) -> str:
    form = NoteForm(data=request.data)
    form.is_valid(raise_exception=True)
    return str(form.validated_data["note"])


def _asked(request: Request) -> Asked:
    """The filters of the address; an impossible value is an error, not an empty list."""
    params = request.query_params
    known = {
        "status": ReviewItem.Status.values,
        "reason": ReviewItem.Reason.values,
        "mine": [*FLAGS],
    }
    wrong = {
        name: f"{params[name]!r} is unknown; say one of {', '.join(values)}."
        for name, values in known.items()
        if name in params and params[name] not in values
    }
    if wrong:
        raise ValidationError(wrong)
    return Asked(
        status=params.get("status", ReviewItem.Status.OPEN),
        reason=params.get("reason", ""),
        is_mine=FLAGS[params.get("mine", "false")],
    )
