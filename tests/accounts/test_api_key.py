"""API keys: shown once, stored as a keyed digest, narrowed by scope, time and network."""

import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import ApiKey, User
from accounts.models.api_key import _checksum, digests

READ = ApiKey.Scope.DETECTIONS_READ.value


def _issue(owner: User, **options: object) -> tuple[ApiKey, str]:
    fields = {"name": "pipeline", "scopes": [READ]} | options
    return ApiKey.objects.issue(owner=owner, **fields)  # type: ignore[arg-type]


def test_a_key_has_the_documented_form(alice):
    key, plaintext = _issue(alice)
    assert re.fullmatch(r"umk_[0-9A-Za-z]{8}_[0-9A-Za-z]{32,}_[0-9a-f]{8}", plaintext)
    assert plaintext[4:12] == key.prefix


def test_no_two_keys_are_alike(alice):
    assert len({_issue(alice)[1] for _ in range(50)}) == 50


def test_the_plaintext_is_stored_nowhere(alice):
    _key, plaintext = _issue(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        dump = str(cursor.fetchall())
    assert plaintext not in dump
    assert plaintext.split("_")[2] not in dump


def test_the_digest_depends_on_the_installations_secret(alice, settings):
    _key, plaintext = _issue(alice)
    before = digests(plaintext)
    settings.SECRET_KEY = "another-secret-" * 5
    assert digests(plaintext) != before
    assert ApiKey.objects.authenticate(plaintext) is None


def test_it_authenticates_its_owner(alice):
    key, plaintext = _issue(alice)
    found = ApiKey.objects.authenticate(plaintext)
    assert found == key
    assert found.owner == alice


@pytest.mark.parametrize("text", ["", "umk_", "umk_a_b_c", "Bearer", "é" * 60, "\x00", "umk_" * 30])
def test_nonsense_is_nobody(db, text):
    assert ApiKey.objects.authenticate(text) is None


def test_a_changed_character_is_nobody(alice):
    _key, plaintext = _issue(alice)
    wrong = plaintext[:20] + ("a" if plaintext[20] != "a" else "b") + plaintext[21:]
    assert ApiKey.objects.authenticate(wrong) is None


def test_another_secret_with_a_right_checksum_is_nobody(alice, bob):
    key, plaintext = _issue(alice)
    _other, others = _issue(bob)
    body = f"umk_{key.prefix}_{others.split('_')[2]}"
    assert ApiKey.objects.authenticate(f"{body}_{_checksum(body)}") is None
    assert ApiKey.objects.authenticate(plaintext) == key


def test_a_revoked_key_is_nobody(alice):
    key, plaintext = _issue(alice)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    assert ApiKey.objects.authenticate(plaintext) is None


def test_an_expired_key_is_nobody(alice):
    _key, plaintext = _issue(alice, expires_at=timezone.now() - timedelta(seconds=1))
    assert ApiKey.objects.authenticate(plaintext) is None


def test_a_key_that_expires_later_still_works(alice):
    key, plaintext = _issue(alice, expires_at=timezone.now() + timedelta(minutes=1))
    assert ApiKey.objects.authenticate(plaintext) == key


def test_the_key_of_a_deactivated_person_is_nobody(alice):
    _key, plaintext = _issue(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert ApiKey.objects.authenticate(plaintext) is None


def test_an_unknown_scope_is_refused(alice):
    with pytest.raises(ValidationError, match="root"):
        _issue(alice, scopes=["root"])


def test_a_bad_network_is_refused(alice):
    with pytest.raises(ValidationError, match=r"10\.0\.0\.0/99"):
        _issue(alice, networks=["10.0.0.0/99"])


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("10.1.2.3", True),
        ("2001:db8::5", True),
        ("11.1.2.3", False),
        ("2001:db9::5", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_it_works_from_its_networks_only(alice, address, is_allowed):
    key, _plaintext = _issue(alice, networks=["10.0.0.0/8", "2001:db8::/32"])
    assert key.allows_address(address) is is_allowed


def test_an_ipv4_client_on_a_dual_stack_socket_keeps_its_network(alice):
    key, _plaintext = _issue(alice, networks=["10.0.0.0/8"])
    assert key.allows_address("::ffff:10.1.2.3")
    assert not key.allows_address("::ffff:11.1.2.3")


def test_without_networks_it_works_from_anywhere(alice):
    assert _issue(alice)[0].allows_address("203.0.113.9")


def test_use_is_noted_at_most_once_a_minute(alice):
    key, _plaintext = _issue(alice)
    key.touch()
    first = ApiKey.objects.get().last_used_at
    key.touch()
    assert ApiKey.objects.get().last_used_at == first


def test_use_is_noted_again_after_a_minute(alice):
    key, _plaintext = _issue(alice)
    earlier = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.update(last_used_at=earlier)
    key.touch()
    assert ApiKey.objects.get().last_used_at > earlier


def test_a_prefix_is_unique(alice):
    key, _plaintext = _issue(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.create(owner=alice, name="copy", prefix=key.prefix, digest="0" * 64)


def test_its_text_does_not_give_it_away(alice):
    key, plaintext = _issue(alice)
    assert plaintext not in f"{key} {key!r}"
