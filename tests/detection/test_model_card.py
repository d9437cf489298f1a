"""A model's card on its page: figures of the artifact, and nothing beside them."""

import json
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from detection import storage, words
from detection.model_card import model_card
from detection.models import ModelVersion
from detection.services.registry import register_artifact
from ml.artifact import DEFAULT_ARTIFACT, artifact_sha256

pytestmark = pytest.mark.django_db


@pytest.fixture
def shipped() -> ModelVersion:
    return register_artifact(DEFAULT_ARTIFACT, by=None, sha256=artifact_sha256(DEFAULT_ARTIFACT))


def test_it_shows_every_source_and_every_damage_of_the_shipped_model(
    shipped: ModelVersion,
) -> None:
    card = model_card(shipped)
    metrics = json.loads((DEFAULT_ARTIFACT / "model.json").read_text())["metrics"]
    assert [row.key for row in card.sources] == list(metrics["test"])
    assert [row.key for row in card.damages] == list(metrics["test_degraded"])
    assert all(row.name != row.key for row in [*card.sources, *card.damages])
    pooled = card.sources[0]
    assert (pooled.reals, pooled.fakes) == ("980", "818")
    assert pooled.accused.value.startswith("1.3")
    assert pooled.accused.interval == "0.8–2.3"
    assert card.cuts[1][1].startswith("from 91.7")


def test_it_states_the_limits_of_the_artifacts_own_sidecar(shipped: ModelVersion) -> None:
    sidecar = json.loads((DEFAULT_ARTIFACT / "model.json").read_text())
    assert model_card(shipped).stated == sidecar["limits"] == list(map(str, words.MODEL_LIMITS))


def test_it_states_no_limits_of_files_that_are_not_the_registered_ones(
    shipped: ModelVersion,
) -> None:
    (storage.artifact_dir(shipped.artifact_sha256) / "model.json").write_text("{}")
    assert model_card(shipped).stated == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_page_opens_for_whoever_is_signed_in(
    client_of: Callable[[User], Client], bob: User, shipped: ModelVersion, language: str
) -> None:
    client = client_of(bob)
    client.cookies["django_language"] = language
    page = client.get(reverse("model", args=[shipped.pk]))
    assert page.status_code == 200
    assert "lite_full 1.0" in page.content.decode()
    assert f'lang="{language}"' in page.content.decode()
    assert reverse("expected_share") not in page.content.decode()  # for administrators


def test_a_version_without_figures_says_so(
    client_of: Callable[[User], Client], alice: User, model_version: ModelVersion
) -> None:
    page = client_of(alice).get(reverse("model", args=[model_version.pk])).content.decode()
    assert "No figures were recorded for this model version." in page
    assert "By kind of image" not in page
