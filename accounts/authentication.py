"""DRF authentication by API key: `Authorization: Bearer umk_…`."""

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.client_address import client_address
from accounts.keys import record_first_use
from accounts.middleware import bind_key
from accounts.models import ApiKey, User


class ApiKeyAuthentication(BaseAuthentication):
    """A request with a key acts as the key's owner; its session cookie, if any, is ignored."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _space, credential = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = ApiKey.objects.authenticate(credential.strip().decode("latin-1"))
        if key is None or not key.allows_address(client_address(request)):
            raise AuthenticationFailed(_("This key is unknown, expired or revoked."))
        key.touch()
        bind_key(key)
        record_first_use(key, client_address(request))
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="unmask"'
