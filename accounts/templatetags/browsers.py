"""A browser in words, from what it says of itself."""

from django import template
from django.utils.translation import gettext as _

register = template.Library()
# In this order: most name others whose pages they want to be given.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


@register.filter
def browser(user_agent: str) -> str:
    """Such as `Firefox, Linux`; the first word of what it says where nothing is known."""
    known = [
        next((name for mark, name in names.items() if mark in user_agent), "")
        for names in (BROWSERS, SYSTEMS)
    ]
    words = ", ".join(filter(None, known)) or user_agent.partition(" ")[0]
    return words or _("Unknown browser")
