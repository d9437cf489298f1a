"""A request with a key acts as the key's owner, and as nobody else."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, AuditEvent
from tests.factories import submitted

URL = "/api/v1/detections"


def _get(key: str, **headers: str) -> object:
    return Client().get(URL, headers={"Authorization": f"Bearer {key}"}, **headers)


def test_a_key_signs_in(alice, key_of):
    assert _get(key_of(alice)).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(alice, key_of, scheme):
    headers = {"Authorization": f"{scheme} {key_of(alice)}"}
    assert Client().get(URL, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x", "Bearer a b c", "Bearer é", "Bearer \x7f" * 500]
)
def test_a_bad_header_is_401(db, header):
    response = Client().get(URL, headers={"Authorization": header})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic YTpi", "umk_x", "Token x"])
def test_another_scheme_is_no_sign_in(db, header):
    assert Client().get(URL, headers={"Authorization": header}).status_code == 401


def test_a_revoked_key_is_401(alice, key_of):
    key = key_of(alice)
    ApiKey.objects.update(revoked_at=timezone.now())
    assert _get(key).status_code == 401


def test_an_expired_key_is_401(alice, key_of):
    key = key_of(alice)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert _get(key).status_code == 401


def test_a_key_from_a_wrong_network_is_401(alice, key_of):
    key = key_of(alice)
    ApiKey.objects.update(networks=["10.0.0.0/8"])
    assert _get(key, REMOTE_ADDR="192.0.2.1").status_code == 401
    assert _get(key, REMOTE_ADDR="10.0.0.1").status_code == 200


def test_a_forged_address_does_not_open_a_network(alice, key_of):
    key = key_of(alice)
    ApiKey.objects.update(networks=["10.0.0.0/8"])
    assert _get(key, REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="10.0.0.1").status_code == 401


def test_every_refusal_reads_the_same(alice, key_of):
    revoked, narrow = key_of(alice), key_of(alice)
    ApiKey.objects.filter(prefix=revoked[4:12]).update(revoked_at=timezone.now())
    ApiKey.objects.filter(prefix=narrow[4:12]).update(networks=["10.0.0.0/8"])
    answers = [_get(key).json() for key in (revoked, narrow, "umk_unknown")]
    assert len({(answer["code"], answer["detail"]) for answer in answers}) == 1


def test_the_session_beside_a_key_is_ignored(alice, bob, client_of, key_of, model_version):
    submitted(bob)
    browser = client_of(bob)
    response = browser.get(URL, headers={"Authorization": f"Bearer {key_of(alice)}"})
    assert response.json()["results"] == []


def test_a_bad_key_does_not_fall_back_to_the_session(alice, client_of):
    response = client_of(alice).get(URL, headers={"Authorization": "Bearer umk_wrong"})
    assert response.status_code == 401


def test_a_key_opens_no_pages(alice, key_of):
    response = Client().get(
        reverse("history"), headers={"Authorization": f"Bearer {key_of(alice)}"}
    )
    assert response.status_code == 302


def test_a_key_in_the_address_is_no_sign_in(alice, key_of):
    key = key_of(alice)
    assert Client().get(URL, {"key": key, "api_key": key, "token": key}).status_code == 401


def test_use_is_noted(alice, key_of):
    _get(key_of(alice))
    assert ApiKey.objects.get().last_used_at is not None


def test_the_audit_trail_names_the_key_by_its_prefix(alice, key_of, photo, model_version):
    key = key_of(alice)
    Client().post(URL, {"image": photo}, headers={"Authorization": f"Bearer {key}"})
    event = AuditEvent.objects.get(action="submission.accepted")
    assert event.key_prefix == key[4:12]
    assert key.split("_")[2] not in str(list(AuditEvent.objects.values()))


def test_a_later_request_without_a_key_is_not_recorded_under_it(
    alice, key_of, client_of, photo, model_version
):
    _get(key_of(alice))
    client_of(alice).post("/", {"image": photo})
    assert AuditEvent.objects.get(action="submission.accepted").key_prefix == ""


def test_no_key_is_logged(alice, key_of, photo, model_version, caplog, capsys):
    key = key_of(alice)
    for plaintext in (key, key[:-1] + "x"):
        headers = {"Authorization": f"Bearer {plaintext}"}
        Client().post(URL, {"image": photo}, headers=headers)
        Client().get(f"{URL}/nowhere", {"key": plaintext}, headers=headers)
    assert caplog.records
    assert key.split("_")[2] not in caplog.text + capsys.readouterr().err
