"""Points in time on pages, in the reader's time zone and with its name."""

from datetime import datetime

from django import template
from django.utils.formats import date_format

register = template.Library()


@register.filter(expects_localtime=True)
def clock(at: datetime) -> str:
    """Day, minute and time zone: 25 Nov 2026, 18:03 UTC."""
    return date_format(at, "j M Y, H:i T")
