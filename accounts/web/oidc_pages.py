"""To the organisation's sign-in service and back; without one these pages do not exist."""

from collections.abc import Callable
from functools import wraps

from allauth.socialaccount import views
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from requests import RequestException

from accounts.single_sign_on import OidcAdapter

View = Callable[[HttpRequest], HttpResponse]


def only_with_a_service(view: View) -> View:
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not settings.OIDC_URL:
            raise Http404
        return view(request)

    return require_GET(guarded)


@only_with_a_service
def login(request: HttpRequest) -> HttpResponse:
    """By a link, since a form that leads to another site breaks the policy of our pages."""
    provider = get_adapter().get_provider(request, "oidc")
    try:
        return OAuth2LoginView.adapter_view(OidcAdapter(request, "oidc"))(request)
    except (OAuth2Error, RequestException) as error:
        return render_authentication_error(request, provider, exception=error)


@only_with_a_service
def callback(request: HttpRequest) -> HttpResponse:
    return OAuth2CallbackView.adapter_view(OidcAdapter(request, "oidc"))(request)


cancelled = only_with_a_service(views.login_cancelled)
