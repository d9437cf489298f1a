"""The heatmap of a detection in the API, and what is said of faces."""

import pytest

from accounts.models import User
from detection.models import Detection
from tests.detection.api_answers import NOWHERE, URL, assert_problem
from tests.factories import (
    WORKER,
    done_row,
    submitted,
)

pytestmark = pytest.mark.usefixtures("model_version")


EVIDENCE = {"activation": bytes(8), "activation_shape": [2, 2]}


@pytest.fixture
def judged(alice: User) -> Detection:
    """Alice's, with a map and a file to lay it on."""
    row = submitted(alice).detection
    claim = Detection.objects.claim(row.pk, worker=WORKER)
    assert claim is not None
    assert claim.complete(verdict="likely_authentic", probability=0.1, **EVIDENCE)
    return claim


@pytest.mark.parametrize("accept", ["*/*", "image/png", "application/json"])
def test_the_links_lead_a_key_to_the_heatmap(api, judged, accept):
    url = api.get(f"{URL}/{judged.pk}").json()["links"]["heatmap"]
    assert url == f"http://testserver{URL}/{judged.pk}/heatmap"
    response = api.get(url, headers={"Accept": accept})
    assert response.content.startswith(b"\x89PNG")
    assert response["Content-Type"] == "image/png"
    assert response["Cache-Control"] == "private, max-age=600"
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    "fields", [{}, {"status": "queued", "verdict": "", "completed_at": None, **EVIDENCE}]
)
def test_without_a_map_or_a_verdict_there_is_no_heatmap(api, alice, model_version, fields):
    row = done_row(alice, model_version, **fields)
    assert api.get(f"{URL}/{row.pk}").json()["links"]["heatmap"] is None
    assert_problem(api.get(f"{URL}/{row.pk}/heatmap"), 404, "not_found")


def test_a_strangers_heatmap_is_404(judged, bob, client_of):
    for url in (f"{URL}/{judged.pk}/heatmap", f"{NOWHERE}/heatmap"):
        assert_problem(client_of(bob).get(url), 404, "not_found")


def test_a_heatmap_takes_the_scope_to_read(judged, alice, client, key_of):
    url = f"{URL}/{judged.pk}/heatmap"
    assert_problem(client.get(url), 401, "not_authenticated")
    writer = {"Authorization": f"Bearer {key_of(alice, 'detections:write')}"}
    assert_problem(client.get(url, headers=writer), 403, "permission_denied")
    reader = {"Authorization": f"Bearer {key_of(alice, 'detections:read')}"}
    assert client.get(url, headers=reader).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_heatmap_can_only_be_got(api, judged, method):
    response = getattr(api, method)(f"{URL}/{judged.pk}/heatmap")
    assert_problem(response, 405, "method_not_allowed")


def test_faces_come_without_their_maps(api, alice, model_version):
    box = [0.1, 0.2, 0.3, 0.4]
    whole = {"box": box, "probability": 0.9, "square": box, "activation": [[1.0]]}
    row = done_row(alice, model_version, faces=[whole, {"box": box, "probability": 0.2}])
    assert api.get(f"{URL}/{row.pk}").json()["faces"] == [
        {"box": box, "probability": 0.9},
        {"box": box, "probability": 0.2},
    ]
