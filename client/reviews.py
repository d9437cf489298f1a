"""The review desk from Python, for the key of a moderator: `desk.reviews`.

while item := desk.reviews.next():
    detection = desk.detection(item["detection"])
    desk.reviews.decide(item["id"], outcome="authentic", reason="nothing_found")
"""

import uuid
from collections.abc import Iterator
from typing import cast

from client.shapes import Decision, Review
from client.transport import Transport, body_of

SCOPE = "reviews:write"


class Reviews:
    """Items that a person should look at. Every method may raise `client.errors.DeskError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def next(self) -> Review | None:
        """Claim the most urgent free item for ten minutes; None where there is none."""
        answer = self._transport.request("POST", "reviews/next", scope=SCOPE)
        return None if answer.status_code == 204 else cast(Review, body_of(answer))

    def list(self, **filters: str) -> Iterator[Review]:
        """Items, page after page.

        Args:
            filters: status (open, closed or withdrawn), reason, mine.
        """
        cursor: str | None = ""
        while cursor is not None:
            params = {**filters, "cursor": cursor} if cursor else filters
            answer = self._transport.request("GET", "reviews", scope=SCOPE, params=params)
            page = body_of(answer)
            yield from page["results"]
            cursor = page["next"]

    def read(self, review_id: str) -> Review:
        answer = self._transport.request("GET", f"reviews/{review_id}", scope=SCOPE)
        return cast(Review, body_of(answer))

    def claim(self, review_id: str) -> Review:
        """Hold an item for ten minutes, or for ten more."""
        return self._change(review_id, "claim")

    def release(self, review_id: str) -> Review:
        return self._change(review_id, "release")

    def skip(self, review_id: str) -> Review:
        """Leave an item to others."""
        return self._change(review_id, "skip")

    def escalate(self, review_id: str, *, note: str = "") -> Review:
        """Give an item to others before all else, and for one more opinion."""
        return self._change(review_id, "escalate", note=note)

    def reopen(self, review_id: str, *, note: str = "") -> Review:
        """Have a closed item looked at again; the new item."""
        return self._change(review_id, "reopen", note=note)

    def decide(self, review_id: str, *, outcome: str, reason: str, note: str = "") -> Decision:
        """Say what the image of a claimed item is.

        Args:
            outcome: authentic, manipulated or cannot_tell.
            reason: a code, as docs/api.md lists them.
        """
        answer = self._transport.request(
            "POST",
            f"reviews/{review_id}/decisions",
            scope=SCOPE,
            headers={"Idempotency-Key": str(uuid.uuid4())},
            json={"outcome": outcome, "reason": reason, "note": note},
        )
        return cast(Decision, body_of(answer))

    def undo(self, decision: Decision) -> Review:
        """Take back one's own decision within 15 minutes; the item."""
        return self._change(decision["item"], f"decisions/{decision['id']}/undo")

    def _change(self, review_id: str, what: str, **body: str) -> Review:
        path = f"reviews/{review_id}/{what}"
        answer = self._transport.request("POST", path, scope=SCOPE, json=body)
        return cast(Review, body_of(answer))
