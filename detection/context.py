"""What every page may say to the person who reads it."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from detection.models import Notice

COUNTED_TO = 99


def news(request: HttpRequest) -> dict[str, object]:
    """How much news the reader has not seen: `3`, `99+`, or empty. Counted where a page asks."""
    return {"unseen_news": SimpleLazyObject(lambda: _unseen(request))}


def _unseen(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return ""
    count = Notice.objects.visible_to(user).unseen()[: COUNTED_TO + 1].count()
    return f"{COUNTED_TO}+" if count > COUNTED_TO else str(count or "")
