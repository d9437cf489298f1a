"""Telling people by mail how they come in; without mail the administrator hands the link over."""

import logging

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.utils import translation

from accounts.models import User

logger = logging.getLogger(__name__)


def send_link(person: User, link: str) -> bool:
    """Mail a person their link; False where this desk sends no mail or the server refused it."""
    if not settings.HAS_MAIL:
        return False
    context = {"person": person, "link": link, "is_invited": person.is_invited}
    try:
        with translation.override(person.language or settings.LANGUAGE_CODE):
            get_adapter().send_mail("account/email/link", person.email, context)
    except OSError:  # smtplib's errors are such, and so is a server that is away
        logger.exception("A link could not be mailed")
        return False
    return True
