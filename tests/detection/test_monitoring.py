"""The page Monitoring, its files and its API: who may open it, what it says, what it hides."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, AuditEvent
from detection.charts import Axes, nice_top, polyline, side_by_side, stacked, ticks
from detection.models import DriftAlert, ModelVersion, PeriodFigures
from detection.services import drift_alerts, period_figures
from detection.services.monitoring import monitoring
from tests import traffic
from tests.factories import done_row

pytestmark = pytest.mark.django_db
PAGE = "/monitoring"


@pytest.fixture
def yesterday() -> object:
    return period_figures.today() - timedelta(days=1)


@pytest.fixture
def desk(alice, model_version, yesterday):
    """12 weeks of traffic, partly by a key, with a shift in the last week, counted."""
    key, _ = ApiKey.objects.issue(owner=alice, name="Wire service", scopes=["detections:write"])
    traffic.counted(str(model_version.pk), last=yesterday, weeks=12, shifted_weeks=[12], key=key.pk)
    return model_version


# --- who


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/figures.csv", f"{PAGE}/figures.json"])
def test_it_is_reviewers_and_does_not_exist_for_others(client_of, alice, carol, client, path):
    assert client_of(alice).get(path).status_code == 404
    assert client_of(carol).get(path).status_code == 200
    assert "/login/" in client.get(path)["Location"]


def test_keys_have_their_names_for_administrators_alone(desk, client_of, carol, dora):
    for person, says in ((dora, True), (carol, False)):
        client = client_of(person)
        page = client.get(PAGE).content.decode()
        data = client.get(f"{PAGE}/figures.json").content.decode()
        assert [("Wire service" in text) for text in (page, data)] == [says, says]
        assert "alice" not in page + data


# --- what it says


def test_an_empty_desk_says_so(client_of, carol):
    page = client_of(carol).get(PAGE).content.decode()
    assert "Nothing was counted yet" in page
    assert '<svg class="chart"' not in page


def test_it_says_what_became_of_the_last_seven_days(desk, client_of, carol, yesterday):
    found = monitoring(by=carol)
    rows = PeriodFigures.objects.days(yesterday - timedelta(days=6), yesterday)
    total = period_figures.added_up(rows.values_list("counts", flat=True))
    assert found.now.images == sum(total["outcomes"].values())
    assert found.now.outcomes["inconclusive"] == total["outcomes"]["inconclusive"]
    page = client_of(carol).get(PAGE).content.decode()
    assert f'<dd class="figure">{found.now.images}</dd>' in page
    assert page.count('<svg class="chart"') == 5
    assert page.count('role="img" aria-label="') == 5


def test_a_shift_is_wrong_at_the_head_of_the_page(desk, client_of, carol):
    client = client_of(carol)
    assert "No rule finds anything wrong" in client.get(PAGE).content.decode()
    drift_alerts.check()
    page = client.get(PAGE).content.decode()
    assert "things are wrong" in page
    assert "Scores are not what they were" in page
    assert "I look after it" not in page  # that is for administrators


def test_models_are_marked_where_they_began(desk, carol, client_of):
    began = timezone.now() - timedelta(days=20)
    ModelVersion.objects.filter(pk=desk.pk).update(activated_at=began)
    found = monitoring(by=carol)
    assert [(change.on, change.model) for change in found.changes] == [(began.date(), "fake 1")]
    assert 'class="mark-number"' in client_of(carol).get(PAGE).content.decode()


def test_the_page_asks_few_questions_however_much_was_counted(
    desk, client_of, carol, django_assert_max_num_queries
):
    client = client_of(carol)
    client.get(PAGE)
    with django_assert_max_num_queries(22):
        client.get(f"{PAGE}?unit=week&count=52")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("unit=day&count=28", 200),
        ("unit=week&count=52", 200),
        ("unit=month", 400),
        ("count=0", 400),
        ("count=53", 400),
        ("count=-1", 400),
        ("count=%D9%A1", 400),
    ],
)
def test_other_periods_may_be_asked_for(desk, client_of, carol, query, status):
    assert client_of(carol).get(f"{PAGE}?{query}").status_code == status


def test_the_table_has_a_line_for_each_week(desk, client_of, carol):
    answer = client_of(carol).get(f"{PAGE}/figures.csv?count=12")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    found = monitoring(by=carol, count=12)
    assert [line["starts_on"] for line in lines] == [
        period.starts_on.isoformat() for period in found.periods
    ]
    assert [int(line["images"]) for line in lines] == [period.images for period in found.periods]
    assert float(lines[-2]["inconclusive_low"]) < float(lines[-2]["inconclusive_high"])
    assert 'filename="unmask-weeks-' in answer["Content-Disposition"]


# --- looking after an alert


def test_an_administrator_looks_after_an_alert(client_of, dora):
    alert = DriftAlert.objects.create(rule="failures_up", figures={"count": 9, "n": 100})
    client = client_of(dora)
    path = reverse("alert_acknowledge", args=[alert.pk])
    assert "9 %" in client.get(PAGE).content.decode().replace("\u00a0", " ")
    client.post(path, {"note": ""})
    assert DriftAlert.objects.unattended().exists()
    client.post(path, {"note": "<b>the wire</b>"})
    client.post(path, {"note": "another"})
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note) == (dora, "<b>the wire</b>")
    page = client.get(PAGE).content.decode()
    assert "&lt;b&gt;the wire&lt;/b&gt;" in page
    assert AuditEvent.objects.filter(action="drift_alert.acknowledged").count() == 1


def test_administrators_see_on_every_page_that_something_is_wrong(client_of, dora, carol):
    DriftAlert.objects.create(rule="failures_up")
    assert 'class="count">1<' in client_of(dora).get("/history").content.decode()
    assert 'class="count"' not in client_of(carol).get("/history").content.decode()


# --- the API


def test_the_api_says_the_same(desk, client_of, carol, alice, key_of, client):
    answer = client_of(carol).get("/api/v1/monitoring?unit=week&count=4").json()
    found = monitoring(by=carol, count=4)
    assert [period["images"] for period in answer["periods"]] == [p.images for p in found.periods]
    assert answer["last_7_days"]["stability"]["index"] > 0.2
    assert client_of(alice).get("/api/v1/monitoring").status_code == 404
    key = {"Authorization": f"Bearer {key_of(carol, 'detections:read')}"}
    assert client.get("/api/v1/monitoring", headers=key).status_code == 403


def test_the_api_refuses_periods_out_of_bounds(client_of, carol):
    assert client_of(carol).get("/api/v1/monitoring?unit=year").status_code == 400
    assert client_of(carol).get("/api/v1/monitoring?count=0").status_code == 400


def test_an_alert_is_looked_after_by_the_api(client, dora, carol, key_of):
    alert = DriftAlert.objects.create(rule="failures_up")
    path = f"/api/v1/monitoring/alerts/{alert.pk}/acknowledge"

    def post(person, *scopes, **body):
        headers = {"Authorization": f"Bearer {key_of(person, *scopes)}"}
        return client.post(path, body, headers=headers, content_type="application/json")

    assert post(carol, note="x").status_code == 404
    assert post(dora, "models:read", note="x").status_code == 403
    assert post(dora, note="").status_code == 400
    attended = post(dora, note="the wire").json()
    assert attended["note"] == "the wire"
    assert attended["raised_at"].endswith("Z")  # as all times of the API
    again = post(dora, note="again")
    assert (again.status_code, again.json()["code"]) == (409, "alert_attended")


# --- positions of charts


def test_axes_end_at_round_numbers():
    assert [nice_top(n) for n in (0, 3, 7, 24, 90, 0.31)] == [1, 5, 10, 25, 100, 0.5]
    assert ticks(2, is_whole=True) == [0, 1, 2]
    assert ticks(200, is_whole=True) == [0, 50, 100, 150, 200]
    assert ticks(0.5, is_whole=False) == [0, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_boxes_stand_on_one_another():
    axes = Axes(2, 10)
    low, high = stacked(
        [[(4, "a", ""), (0, "b", ""), (6, "c", "")], []], axes, last_is_partial=True
    )
    assert float(high.y) + float(high.height) == pytest.approx(float(low.y))
    assert float(high.y) == pytest.approx(axes.y(10))
    assert not low.is_partial


def test_a_line_breaks_where_there_is_nothing():
    lines = polyline([1, 2, None, 3, None, 4, 5], Axes(7, 5), "a")
    assert [line.points.count(",") for line in lines] == [2, 2]


def test_pairs_keep_to_their_column():
    first, second = side_by_side([(1, 1)], Axes(1, 1), ("a", "b"))
    assert float(first.x) + float(first.width) <= float(second.x)


def test_figures_of_one_image_are_shown_too(alice, model_version, client_of, carol):
    done_row(alice, model_version, created_at=timezone.now() - timedelta(days=1))
    period_figures.refresh()
    page = client_of(carol).get(PAGE).content.decode()
    assert "too few to tell" in page
