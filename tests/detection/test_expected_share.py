"""The prior shift, and the share of manipulated images that a desk expects."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from detection.expected_share import at_share, expectation
from detection.models import Installation, ModelVersion
from detection.services.installation import bind, expect_fakes
from tests.factories import done_row

SHARES = (0.001, 0.05, 0.4787, 0.5, 0.9, 0.999)
PROBABILITIES = (0.0, 1e-9, 0.02, 0.3, 0.5, 0.8, 0.98, 1 - 1e-9, 1.0)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("probability", PROBABILITIES)
def test_at_the_calibrations_own_share_nothing_moves(probability: float, share: float) -> None:
    assert at_share(probability, calibrated_at=share, fake_share=share) == probability


@pytest.mark.parametrize(("old", "new"), [*itertools.product(SHARES, SHARES)])
def test_it_keeps_the_order_of_probabilities(old: float, new: float) -> None:
    moved = [at_share(p, calibrated_at=old, fake_share=new) for p in PROBABILITIES]
    assert moved == sorted(moved)
    assert (moved[0], moved[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("probability", PROBABILITIES[1:-1])
def test_it_rises_with_the_share(probability: float) -> None:
    moved = [at_share(probability, calibrated_at=0.5, fake_share=share) for share in SHARES]
    assert moved == sorted(set(moved))


@pytest.mark.parametrize(("old", "new"), [*itertools.product(SHARES, SHARES)])
def test_there_and_back_is_where_it_began(old: float, new: float) -> None:
    there = at_share(0.3, calibrated_at=old, fake_share=new)
    assert at_share(there, calibrated_at=new, fake_share=old) == pytest.approx(0.3)


def test_it_is_bayes_rule_with_the_images_own_evidence() -> None:
    """Nine times likelier under "fake": 90 % at one half, and 9 of 108 where 1 in 100 is fake."""
    assert at_share(0.9, calibrated_at=0.5, fake_share=0.01) == pytest.approx(9 / 108)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        at_share(probability, calibrated_at=0.5, fake_share=0.1)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, float("nan")])
def test_at_none_or_all_no_image_could_say_anything(share: float) -> None:
    for shares in ((share, 0.5), (0.5, share)):
        with pytest.raises(ValueError, match="share"):
            at_share(0.5, calibrated_at=shares[0], fake_share=shares[1])


def test_without_a_number_or_a_calibration_nothing_is_expected() -> None:
    calibrated = ModelVersion(metrics={"calibration": {"fake_share": 0.4}})
    assert expectation(None, calibrated, 0.1) is None
    assert expectation(0.5, ModelVersion(), 0.1) is None
    found = expectation(0.5, calibrated, None)
    assert found is not None
    assert (found.probability, found.fake_share, found.is_shifted) == (0.5, 0.4, False)


@pytest.mark.django_db
def test_a_change_is_recorded_and_a_repetition_is_not(dora: User) -> None:
    expect_fakes(0.05, by=dora)
    expect_fakes(0.05, by=dora)
    assert Installation.objects.expected_fake_share() == 0.05
    event = AuditEvent.objects.get(action="installation.expected_share_changed")
    assert '"expected_fake_share":0.05' in event.change
    assert event.actor_id == dora.pk


@pytest.mark.django_db
@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0])
def test_the_database_keeps_no_impossible_share(share: float) -> None:
    bind()
    with pytest.raises(IntegrityError), transaction.atomic():
        Installation.objects.update(expected_fake_share=share)


@pytest.fixture
def calibrated(model_version: ModelVersion) -> ModelVersion:
    model_version.metrics = {"calibration": {"fake_share": 0.5, "n": 1000}}
    model_version.save(update_fields=["metrics"])
    return model_version


@pytest.mark.parametrize("language", ["en", "ar"])
def test_an_administrator_says_what_share_is_expected(
    client_of: Callable[[User], Client], dora: User, calibrated: ModelVersion, language: str
) -> None:
    client = client_of(dora)
    client.cookies["django_language"] = language
    address = reverse("expected_share")
    assert client.get(address).status_code == 200
    assert client.post(address, {"percent": "2.5"}).status_code == 302
    assert Installation.objects.expected_fake_share() == 0.025
    assert 'value="2.5"' in client.get(address).content.decode()
    client.post(address, {"percent": ""})
    assert Installation.objects.expected_fake_share() is None


@pytest.mark.parametrize("percent", ["0", "100", "-1", "101", "half", "NaN", "Infinity"])
def test_an_impossible_share_is_refused(
    client_of: Callable[[User], Client], dora: User, calibrated: ModelVersion, percent: str
) -> None:
    assert client_of(dora).post(reverse("expected_share"), {"percent": percent}).status_code == 400
    assert not AuditEvent.objects.filter(action__startswith="installation").exists()


def test_a_page_says_the_number_for_the_expected_share_and_keeps_the_verdict(
    client_of: Callable[[User], Client], alice: User, dora: User, calibrated: ModelVersion
) -> None:
    row = done_row(alice, calibrated, verdict="likely_manipulated", probability=0.95)
    expect_fakes(0.05, by=dora)
    page = client_of(alice).get(reverse("detection", args=[row.pk])).content.decode()
    text = page.replace("\N{NO-BREAK SPACE}", " ")
    assert "about 50 are manipulated, if 5 % of all submitted are" in text
    assert "this desk expects 5 %. The verdict and the scale keep to the calibrated 95 %." in text
    assert "Likely manipulated" in text


def test_the_api_says_both_numbers_and_which_shares_they_assume(
    client: Client, key_of: Callable[..., str], alice: User, dora: User, calibrated: ModelVersion
) -> None:
    row = done_row(alice, calibrated, verdict="likely_manipulated", probability=0.95)
    expect_fakes(0.05, by=dora)
    headers: Any = {"Authorization": f"Bearer {key_of(alice)}"}
    body = client.get(f"/api/v1/detections/{row.pk}", headers=headers).json()
    assert (body["probability"], body["verdict"]) == (0.95, "likely_manipulated")
    assert body["expected"] == {
        "probability": pytest.approx(0.5),
        "fake_share": 0.05,
        "calibration_fake_share": 0.5,
    }


def test_the_api_says_null_where_the_calibrations_share_is_not_known(
    client: Client, key_of: Callable[..., str], alice: User, model_version: ModelVersion
) -> None:
    row = done_row(alice, model_version)
    headers: Any = {"Authorization": f"Bearer {key_of(alice)}"}
    assert client.get(f"/api/v1/detections/{row.pk}", headers=headers).json()["expected"] is None
