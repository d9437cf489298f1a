"""What every page may say about the installation."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.permissions import signed_in
from detection.review_waiting import waiting_number
from detection.services.drift_alerts import shown_to_administrators


def installation(request: HttpRequest) -> dict[str, object]:
    """Template variables about this installation, the same on every page."""
    return {
        "signup_is_open": settings.UNMASK_SIGNUP,
        "has_mail": settings.HAS_MAIL,
        # asked only by the pages of administrators, when they are drawn
        "wrong_now": shown_to_administrators,
        "oidc_name": settings.OIDC_NAME if settings.OIDC_URL else "",
        # asked for only where a page shows it, which is to reviewers
        "review_waiting": SimpleLazyObject(lambda: waiting_number(signed_in(request))),
    }
