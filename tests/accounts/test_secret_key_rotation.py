"""SECRET_KEY changes, and what the key before it made goes on working."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.tokens import default_token_generator
from django.core.management import call_command
from django.test import Client

from accounts.models import ApiKey
from accounts.sealing import UnreadableError, seal, unseal
from detection import signing
from detection.models import WebhookEndpoint
from detection.models.report import token_digests

NEW = "the-key-of-now-" * 5


@pytest.fixture
def rotate(settings):
    def to_new() -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = NEW

    return to_new


@pytest.fixture
def forget(settings):
    def earlier_keys() -> None:
        settings.SECRET_KEY_FALLBACKS = []

    return earlier_keys


def test_whoever_is_signed_in_stays_so(alice, client_of, rotate):
    browser: Client = client_of(alice)
    rotate()
    assert browser.get("/history").status_code == 200


def test_a_link_for_a_password_works(alice, rotate, forget):
    token = default_token_generator.make_token(alice)
    rotate()
    assert default_token_generator.check_token(alice, token)
    forget()
    assert not default_token_generator.check_token(alice, token)


def test_an_api_key_that_was_used_outlives_the_earlier_key(alice, key_of, rotate, forget):
    used, unused = key_of(alice), key_of(alice)
    rotate()
    assert ApiKey.objects.authenticate(used) is not None
    assert ApiKey.objects.authenticate(used[:-9] + "0" + used[-8:]) is None
    forget()
    assert ApiKey.objects.authenticate(used) is not None
    assert ApiKey.objects.authenticate(unused) is None


def test_a_link_to_a_report_is_found(rotate):
    [before] = token_digests("token")
    rotate()
    assert token_digests("token")[1:] == [before]
    assert token_digests("token")[0] != before


def test_what_is_sealed_now_needs_no_earlier_key(rotate, forget):
    old = seal("text", purpose="test")
    rotate()
    assert unseal(old, purpose="test") == "text"
    new = seal("text", purpose="test")
    forget()
    assert unseal(new, purpose="test") == "text"
    with pytest.raises(UnreadableError):
        unseal(old, purpose="test")


def test_sealing_anew_lets_the_earlier_key_go(alice, rotate, forget, capsys):
    secret = generate_totp_secret()
    TOTP.activate(alice, secret)
    hook = signing.new_secret()
    sealed = signing.sealed(hook)
    WebhookEndpoint.objects.create(owner=alice, is_for_callbacks=True, secret=sealed)
    rotate()
    call_command("seal_anew")
    assert "2 sealed anew, 0 cannot" in capsys.readouterr().out
    forget()
    assert WebhookEndpoint.objects.get().signing_secrets() == [hook]
    sealed = Authenticator.objects.get().data["secret"]
    assert unseal(sealed, purpose="second_factor") == secret


def test_what_no_key_opens_is_left_as_it_is(alice, settings, capsys):
    sealed = signing.sealed(signing.new_secret())
    WebhookEndpoint.objects.create(owner=alice, is_for_callbacks=True, secret=sealed)
    settings.SECRET_KEY = NEW
    call_command("seal_anew")
    assert "0 sealed anew, 1 cannot" in capsys.readouterr().out
    assert WebhookEndpoint.objects.get().secret == sealed
