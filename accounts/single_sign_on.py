"""Sign-in through the organisation's own OpenID Connect service: who is let in by it, and as whom.

It says who somebody is and never what they may do: roles are given here. A second factor set
up here is asked for all the same, as allauth does for every way in: what the service itself asked
for is known to it alone.
"""

import hashlib
from typing import Any

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import User
from accounts.sign_in_events import record_failure

CONNECTING = _("Sign out first, then sign in with your organisation’s service.")
NO_ADDRESS = _("Your organisation’s sign-in service does not vouch for your e-mail address.")
STRANGER = _("You have no account on this desk. Its administrator can invite you.")
UNCONFIRMED = _(
    "Somebody gave your e-mail address here and never confirmed it. Ask your administrator."
)


class OidcAdapter(OpenIDConnectOAuth2Adapter):
    """allauth's client of the service, with every statement checked that it makes."""

    @property
    def openid_config(self) -> dict[str, Any]:
        config = super().openid_config
        if str(config.get("issuer", "")).rstrip("/") != settings.OIDC_URL:
            raise OAuth2Error("The service names another issuer than UNMASK_OIDC_URL.")
        if not {"authorization_endpoint", "token_endpoint", "jwks_uri"} <= set(config):
            raise OAuth2Error("The service does not say where its pages are.")
        return config

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        data = {"id_token": self._checked(app, kwargs["response"].get("id_token", ""))}
        if "userinfo_endpoint" in self.openid_config:
            data["userinfo"] = self._fetch_user_info(token.token)
            if data["userinfo"].get("sub") != data["id_token"]["sub"]:
                raise OAuth2Error("The service answers about somebody else.")
        return self.get_provider().sociallogin_from_response(request, data)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return settings.UNMASK_ORIGIN + reverse("openid_connect_callback")

    def _checked(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        """allauth trusts the line that a token came over; a signature costs nothing."""
        try:
            claims = jwtkit.verify_and_decode(
                credential=id_token,
                keys_url=self.openid_config["jwks_uri"],
                issuer=self.openid_config["issuer"],
                audience=app.client_id,
                lookup_kid=jwtkit.lookup_kid_jwk,
            )
            return {**claims, "sub": str(claims["sub"])}
        except (KeyError, ValueError) as error:
            raise OAuth2Error("The service gave a token that nobody can check.") from error


class OidcProvider(OpenIDConnectProvider):
    oauth2_adapter_class = OidcAdapter


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """One service or none, from the settings; those it names are those invited here."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        return [_service()] if settings.OIDC_URL else []

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> OidcProvider:
        return OidcProvider(request, app=self.get_app(request, provider))

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let the person in whom the service named before, or whose address it vouches for."""
        email = _verified_email(sociallogin)
        if sociallogin.state.get("process") != AuthProcess.LOGIN:
            raise _refusal(request, email, CONNECTING)
        if sociallogin.is_existing:
            person = sociallogin.user
        elif not email:
            raise _refusal(request, "", NO_ADDRESS)
        else:
            person = _person(request, email, sociallogin)
        if person is not None and not person.is_active:
            record_failure(person.email)
            raise ImmediateHttpResponse(redirect("account_inactive"))
        if person is not None and not sociallogin.is_existing:
            _bind(request, sociallogin, person)

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        user = super().populate_user(request, sociallogin, data)
        user.email = user.email.lower()
        user.name = str(data.get("name") or "")[: User._meta.get_field("name").max_length]
        return user

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        with transaction.atomic():
            user = super().save_user(request, sociallogin, form)
            audit.record(
                "user.created", actor=user, target=user, owner=user, after={"role": user.role}
            )
        return user


def _service() -> SocialApp:
    """Under a name of its own, so that another service's numbers name nobody of this one."""
    return SocialApp(
        provider=OpenIDConnectProvider.id,
        provider_id=f"oidc-{hashlib.sha256(settings.OIDC_URL.encode()).hexdigest()[:12]}",
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={"server_url": settings.OIDC_URL, "oauth_pkce_enabled": True},
    )


def _verified_email(sociallogin: SocialLogin) -> str:
    """The address that the service says it has verified; empty where it does not say so."""
    data = sociallogin.account.extra_data
    claims: dict[str, Any] = next(
        (data[name] for name in ("userinfo", "id_token") if data.get(name, {}).get("email")), {}
    )
    return str(claims["email"]) if claims.get("email_verified") is True else ""


def _person(request: HttpRequest, email: str, sociallogin: SocialLogin) -> User | None:
    """Who has this address here; None for somebody new, where sign-up is open."""
    given = EmailAddress.objects.filter(email__iexact=email)
    person = User.objects.filter(email__iexact=email).first()
    unconfirmed = given.filter(verified=False)
    if not settings.UNMASK_SIGNUP:  # nobody chose their address; asking for a link notes it
        unconfirmed = unconfirmed.exclude(user=person)
    if unconfirmed.exists() or (person is None and given.exists()):
        raise _refusal(request, email, UNCONFIRMED)
    if person is None and not settings.UNMASK_SIGNUP:
        raise _refusal(request, email, STRANGER)
    return person


def _bind(request: HttpRequest, sociallogin: SocialLogin, person: User) -> None:
    """Remember whom the service means, so that a new address there changes nothing here."""
    with transaction.atomic():
        sociallogin.connect(request, person)
        audit.record(
            "user.identity_connected",
            actor=person,
            target=person,
            owner=person,
            after={"provider": sociallogin.account.provider},
            detail={"subject": sociallogin.account.uid},
        )


def _refusal(request: HttpRequest, email: str, sentence: Promise) -> ImmediateHttpResponse:
    record_failure(email)
    page = "socialaccount/authentication_error.html"
    return ImmediateHttpResponse(render(request, page, {"sentence": sentence}, status=403))
