"""What somebody may no longer do ends with their next request, on pages and in the API."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.keys import revoke_key
from accounts.models import ApiKey, User
from tests.accounts.factors import confirm
from tests.factories import done_row

pytestmark = pytest.mark.django_db
API = "/api/v1/detections"


def _by_key(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


def _disable(dora: User, person: User, client_of: Callable[[User], Client]) -> None:
    """As administrators do it."""
    browser = client_of(dora)
    confirm(browser)
    answer = browser.post(f"/people/{person.pk}/disable")
    assert answer.status_code == 302
    assert not User.objects.get(pk=person.pk).is_active


def test_a_disabled_persons_session_and_keys_end(alice, dora, client_of, key_of, model_version):
    browser, by_key = client_of(alice), _by_key(key_of(alice))
    row = done_row(alice, model_version)
    pages = ["/", "/history", "/keys", f"/detections/{row.pk}", f"/images/{row.image_id}/original"]
    assert [browser.get(page).status_code for page in pages[:4]] == [200] * 4
    assert by_key.get(API).status_code == 200
    _disable(dora, alice, client_of)
    for page in pages:
        answer = browser.get(page)
        assert answer.status_code == 302
        assert "/accounts/login/" in answer["Location"]
    assert browser.post("/", {}).status_code == 302
    assert browser.get(API).status_code == 401
    assert browser.post(API, {}).status_code == 401
    assert by_key.get(API).status_code == 401
    assert by_key.get(f"{API}/{row.pk}").status_code == 401


def test_the_keys_of_a_person_who_is_let_in_again_go_on(alice, dora, client_of, key_of):
    by_key = _by_key(key_of(alice))
    _disable(dora, alice, client_of)
    assert by_key.get(API).status_code == 401
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert by_key.get(API).status_code == 200


def test_a_revoked_key_ends_and_the_others_go_on(alice, key_of):
    first, second = key_of(alice), key_of(alice)
    clients = _by_key(first), _by_key(second)
    assert [client.get(API).status_code for client in clients] == [200, 200]
    assert revoke_key(by=alice, key=ApiKey.objects.get(prefix=first[4:12]))
    assert [client.get(API).status_code for client in clients] == [401, 200]


def test_a_key_that_expires_between_two_requests_ends(alice, key_of):
    client = _by_key(key_of(alice))
    assert client.get(API).status_code == 200
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(API).status_code == 401


def test_a_key_loses_a_scope_at_once(alice, key_of, model_version):
    client = _by_key(key_of(alice))
    assert client.get(API).status_code == 200
    ApiKey.objects.update(scopes=["detections:write"])
    assert client.get(API).status_code == 403


def test_a_moderator_who_is_one_no_more_sees_only_her_own(
    alice, carol, client_of, key_of, model_version
):
    row = done_row(alice, model_version)
    clients = client_of(carol), _by_key(key_of(carol))
    addresses = f"/detections/{row.pk}", f"{API}/{row.pk}"
    browser = clients[0]
    assert browser.get(addresses[0]).status_code == 200
    User.objects.filter(pk=carol.pk).update(role=User.Role.JOURNALIST)
    assert browser.get(addresses[0]).status_code == 404
    assert [client.get(addresses[1]).status_code for client in clients] == [404, 404]
    assert str(row.pk) not in browser.get("/history?whose=all").content.decode()


def test_an_administrator_who_is_one_no_more_opens_no_operators_page(dora, client_of):
    browser = client_of(dora)
    pages = "/admin/", "/admin/accounts/user/", "/audit"
    assert [browser.get(page).status_code for page in pages] == [200, 200, 200]
    User.objects.filter(pk=dora.pk).update(role=User.Role.MODERATOR)
    assert browser.get(pages[2]).status_code == 404
    assert browser.get(pages[0]).status_code in {302, 403}
    assert browser.get(pages[1]).status_code in {302, 403}
    assert browser.post(
        f"/admin/accounts/user/{dora.pk}/change/", {"role": "admin"}
    ).status_code in {
        302,
        403,
    }
    assert User.objects.get(pk=dora.pk).role == User.Role.MODERATOR


def test_an_auditor_who_is_one_no_more_reads_no_trail(alice, client_of):
    User.objects.filter(pk=alice.pk).update(is_auditor=True)
    browser = client_of(alice)
    assert browser.get("/audit").status_code == 200
    User.objects.filter(pk=alice.pk).update(is_auditor=False)
    assert browser.get("/audit").status_code == 404
    assert browser.post("/audit/export", {}).status_code == 404
