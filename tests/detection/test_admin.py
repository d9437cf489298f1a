"""Django's admin: for administrators, behind the same sign-in, read-only on the domain."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, AuditEvent, User
from detection.models import Detection
from tests.factories import done_row, submitted

DOMAIN = ["image", "detection", "submission", "modelversion", "case", "idempotencykey", "report"]
READ_ONLY = [f"detection_{name}" for name in DOMAIN] + ["accounts_apikey", "accounts_auditevent"]


@pytest.fixture
def operator(dora, client_of) -> Client:
    return client_of(dora)


def test_every_domain_table_is_registered():
    registered = {f"{m._meta.app_label}_{m._meta.model_name}" for m in admin.site._registry}
    assert set(READ_ONLY) <= registered


@pytest.mark.parametrize("persona", ["alice", "carol"])
def test_only_administrators_enter(persona, request, client_of):
    browser = client_of(request.getfixturevalue(persona))
    assert browser.get(reverse("admin:index")).status_code in {302, 403, 404}


def test_signed_out_one_is_sent_to_the_one_sign_in(client, db):
    response = client.get(reverse("admin:index"), follow=True)
    assert response.redirect_chain[-1][0].startswith(reverse("account_login"))


def test_a_deactivated_administrator_does_not_enter(operator):
    User.objects.update(is_active=False)
    assert operator.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize("name", [*READ_ONLY, "accounts_user"])
def test_every_list_opens(operator, alice, model_version, key_of, name):
    key_of(alice)
    submitted(alice)
    assert operator.get(reverse(f"admin:{name}_changelist"), {"q": "x"}).status_code == 200


@pytest.mark.parametrize("name", READ_ONLY)
def test_nothing_can_be_added(operator, name):
    assert operator.get(reverse(f"admin:{name}_add")).status_code == 403


def test_a_detection_can_be_read_and_not_changed(operator, alice, model_version):
    row = done_row(alice, model_version)
    url = reverse("admin:detection_detection_change", args=[row.pk])
    assert operator.get(url).status_code == 200
    assert operator.post(url, {"verdict": "likely_manipulated"}).status_code == 403
    assert Detection.objects.get().verdict == "likely_authentic"


def test_a_detection_cannot_be_deleted(operator, alice, model_version):
    row = done_row(alice, model_version)
    url = reverse("admin:detection_detection_delete", args=[row.pk])
    assert operator.post(url, {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    operator.post(reverse("admin:detection_detection_changelist"), action)
    assert Detection.objects.count() == 1


def test_the_audit_trail_can_be_read_and_not_changed(operator, alice, model_version):
    submitted(alice)
    event = AuditEvent.objects.get()
    url = reverse("admin:accounts_auditevent_change", args=[event.pk])
    assert operator.get(url).status_code == 200
    assert operator.post(url, {"action": "x"}).status_code == 403


def test_the_digest_of_a_key_is_not_shown(operator, alice, key_of):
    key_of(alice)
    key = ApiKey.objects.get()
    page = operator.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert key.prefix in page
    assert key.digest not in page


def test_a_hostile_name_is_escaped(operator, alice, model_version):
    submitted(alice, name="<script>alert(1)</script>.jpg")
    for name in ("detection_submission", "detection_image"):
        page = operator.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert "<script>alert" not in page


# --- people


def test_people_are_only_read_here(operator, alice):
    change = reverse("admin:accounts_user_change", args=[alice.pk])
    page = operator.get(change).content.decode()
    assert alice.email in page
    assert alice.password not in page
    for url in (
        reverse("admin:accounts_user_add"),
        change,
        reverse("admin:accounts_user_delete", args=[alice.pk]),
    ):
        assert operator.post(url, {"role": "admin", "post": "yes"}).status_code == 403
    alice.refresh_from_db()
    assert alice.role == User.Role.JOURNALIST


@pytest.mark.parametrize("model", ["image", "detection", "submission"])
def test_a_confidential_image_is_not_an_operators_to_see(alice, model_version, operator, model):
    submission = submitted(alice, is_confidential=True)
    row = {
        "image": submission.image,
        "detection": submission.detection,
        "submission": submission,
    }[model]
    listed = operator.get(reverse(f"admin:detection_{model}_changelist"))
    assert str(row.pk) not in listed.content.decode()
    shown = operator.get(reverse(f"admin:detection_{model}_change", args=[row.pk]), follow=True)
    assert submission.image.sha256 not in shown.content.decode()
    assert shown.redirect_chain  # Django's admin sends away from a row that is not there
