"""The page of the review desk's figures."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from detection.models import (
    Decision,
    GoldenImage,
    ReviewItem,
)
from tests.factories import done_row
from tests.review_desk import decided, opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict")


def _figures(client: Client, **query: str) -> dict[str, dict[str, list[str]]]:
    """Of each section, the cells of each row by its label."""
    found = client.get(reverse("review_figures"), query).context["sections"]
    return {one.key: {row.label: row.cells for row in one.rows} for one in found}


def _opinions(alice, model_version, *pairs: tuple[User, str]) -> None:
    item = opened(alice, model_version)
    ReviewItem.objects.filter(pk=item.pk).update(opinions_wanted=len(pairs))
    for person, outcome in pairs:
        decided(item, person, outcome)


def test_administrators_see_everybodys_figures_others_their_own(
    desk, client_of, carol, dora, erin, alice, model_version
):
    for outcomes in (("authentic", "authentic"), ("manipulated", "manipulated")):
        _opinions(alice, model_version, *zip((carol, erin), outcomes, strict=True))
    own = _figures(desk)
    assert own["decisions"].keys() == {carol.email, "The desk together"}
    assert own["decisions"]["The desk together"][0] == "4"
    assert erin.email not in desk.get(reverse("review_figures")).content.decode()
    every = _figures(client_of(dora))
    assert every["decisions"].keys() == {carol.email, erin.email, "The desk together"}
    assert every["agreement"]["The desk together"][0] == "1.00"
    assert every["agreement"]["The desk together"][2] == "2"


def test_right_and_wrong_on_golden_images_with_their_interval(
    desk, carol, dora, alice, model_version
):
    for outcome in ("authentic", "authentic", "manipulated", "cannot_tell"):
        row = done_row(alice, model_version)
        golden = GoldenImage.objects.create(image=row.image, outcome="authentic", added_by=dora)
        item = ReviewItem.objects.create(detection=row, golden=golden, reasons=["sample"])
        decided(item, carol, outcome)
    right, interval, *counts = _figures(desk)["golden"][carol.email]
    assert right == "50\N{NO-BREAK SPACE}%"
    assert interval.strip("\u2066\u2069") == "15.0 – 85.0"
    assert counts == ["1", "1", "4"]
    model = _figures(desk)["models-golden"]["fake 1"]
    assert model[0] == "100\N{NO-BREAK SPACE}%"  # it calls all of them authentic


def test_figures_are_those_of_the_chosen_days(desk, carol, alice, model_version):
    decided(opened(alice, model_version), carol)
    long_ago = timezone.now() - timedelta(days=100)
    Decision.objects.update(created_at=long_ago)
    assert _figures(desk)["decisions"].keys() == {"The desk together"}
    day = f"{long_ago:%Y-%m-%d}"
    found = _figures(desk, since=day, until=day)
    assert found["decisions"][carol.email][0] == "1"


@pytest.mark.parametrize(
    "query", [{"since": "2026-02-30"}, {"since": "2026-03-02", "until": "2026-03-01"}]
)
def test_days_that_cannot_be_are_said_to_be_wrong(desk, query):
    answer = desk.get(reverse("review_figures"), query)
    assert answer.status_code == 400
    assert "errorlist" in answer.content.decode()


def test_a_bar_is_drawn_where_there_is_something_to_draw(desk, carol, erin, alice, model_version):
    empty = desk.get(reverse("review_figures")).content.decode()
    assert 'class="chart"' not in empty
    _opinions(alice, model_version, (carol, "authentic"), (erin, "manipulated"))
    page = desk.get(reverse("review_figures"))
    section = {one.key: one for one in page.context["sections"]}["agreement"]
    bar = section.rows[0].bar
    assert (bar.start, bar.length, bar.zero) == ("50.00", "0.00", "50.00")
    assert 'class="chart"' in page.content.decode()
