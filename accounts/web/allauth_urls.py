"""allauth's pages about second factors, sessions and single sign-on, as this site has them."""

from collections.abc import Iterable

from allauth.account import urls as account
from allauth.mfa import urls as mfa
from allauth.usersessions import urls as usersessions
from django.db import transaction
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import never_cache
from django.views.generic import RedirectView

from accounts.web import oidc_pages, session_pages


def atomic(patterns: Iterable[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """The same addresses; each view and its audit events are one transaction, kept by no cache."""
    made: list[URLPattern | URLResolver] = []
    for one in patterns:
        if isinstance(one, URLResolver):
            made.append(URLResolver(one.pattern, atomic(one.url_patterns)))
        else:
            view = never_cache(transaction.atomic(one.callback))
            made.append(URLPattern(one.pattern, view, one.default_args, one.name))
    return made


# An address is changed by an administrator: whoever finds a session open must not take it over.
# allauth's own code asks for the page by its name, so the name leads to the account.
ADDRESSES = "account_email"

urlpatterns = [
    path("email/", RedirectView.as_view(pattern_name="account"), name=ADDRESSES),
    path("", include([one for one in account.urlpatterns if one.name != ADDRESSES])),
    path("2fa/", include(atomic(mfa.urlpatterns))),
    path("sessions/", include(atomic(usersessions.urlpatterns))),
    path("sessions/<int:pk>/end", session_pages.end, name="session_end"),
    path("oidc/login/", oidc_pages.login, name="openid_connect_login"),
    path("oidc/callback/", oidc_pages.callback, name="openid_connect_callback"),
    path("oidc/cancelled/", oidc_pages.cancelled, name="socialaccount_login_cancelled"),
]
