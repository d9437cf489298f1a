"""DRF authentication: by API key, `Authorization: Bearer umk_…`, or by a page's session."""

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from accounts.client_address import client_address, client_network
from accounts.keys import record_first_use
from accounts.middleware import bind_key
from accounts.models import ApiKey, User
from accounts.second_factors import lacks_second_factor
from deepfake_site.rate_limits import Limit, take

# Nobody guesses 238 bits, so a good key is never refused for what its neighbours do.
BAD_KEYS_FROM_ADDRESS = Limit(30, per_s=60)


class ApiKeyAuthentication(BaseAuthentication):
    """A request with a key acts as the key's owner; its session cookie, if any, is ignored."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _space, credential = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = ApiKey.objects.authenticate(credential.strip().decode("latin-1"))
        if key is None or not key.allows_address(client_address(request)):
            taken = take("bad_key", client_network(request), BAD_KEYS_FROM_ADDRESS)
            if not taken.is_allowed:
                raise Throttled(taken.wait_s)
            raise AuthenticationFailed(_("This key is unknown, expired or revoked."))
        key.touch()
        bind_key(key)
        record_first_use(key, client_address(request))
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="unmask"'


class SecondFactorRequired(PermissionDenied):
    default_detail = _("Your role needs a second factor. Set one up on your account's pages.")
    default_code = "second_factor_required"


class PageSessionAuthentication(SessionAuthentication):
    """A page's session, of somebody who has the second factor that their role needs."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        found = super().authenticate(request)
        if found and lacks_second_factor(found[0]):
            raise SecondFactorRequired
        return found
