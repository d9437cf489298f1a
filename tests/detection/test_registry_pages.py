"""Pages of models: reviewers read, administrators compare, promote, go back and judge again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from detection.comparison_presentation import shown_comparison
from detection.models import (
    Activation,
    Comparison,
    Detection,
    Image,
    ModelVersion,
    Rejudging,
    Snapshot,
)
from detection.services import case_people, cases, judging_again, registry
from ml.comparison import compare
from tests.accounts.factors import confirm
from tests.factories import done_row
from tests.ml.test_comparison import FAKE, REAL, image, right

pytestmark = pytest.mark.django_db
TOO_FEW = {"code": "not_enough_to_tell", "figure": "false_accusations", "n": 3, "needed": 150}
ACCUSES = {"code": "more_accusations", "figure": "false_accusations", "before": 0.0, "after": 0.1}


@pytest.fixture(autouse=True)
def _files_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions of these tests exist in the database only."""
    monkeypatch.setattr("detection.detector.prove", lambda version: None)


@pytest.fixture
def candidate(model_version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.create(
        name="<b>new</b>", version="2", artifact_sha256="e" * 64, operating_point={}
    )


@pytest.fixture
def snapshot(db: None) -> Snapshot:
    return Snapshot.objects.create(name="<i>winter</i>", sha256="a" * 64)


@pytest.fixture
def figures() -> dict[str, Any]:
    """Of real figures, with a source that fell and copies that turned."""
    fallen = [image(1, FAKE, REAL, source="dfdc", jpeg_70=(FAKE, REAL)) for _ in range(20)]
    found = compare([*right(20, source="photographs"), *fallen])
    live = {"n": 1000, "changed": 3, "unreadable": 0}
    golden = {"n": 4, "right_before": 3, "right_after": 2, "wrong_before": 0, "wrong_after": 1}
    return {**found, "live": live, "golden": golden, "moved": [], "unreadable": []}


@pytest.fixture
def compared(
    candidate: ModelVersion, model_version: ModelVersion, snapshot: Snapshot, figures: Any
):
    def make(*obstacles: dict[str, Any], **fields: Any) -> Comparison:
        defaults = {"status": "done", "figures": figures}
        return Comparison.objects.create(
            candidate=candidate,
            against=model_version,
            snapshot=snapshot,
            obstacles=list(obstacles),
            **(defaults | fields),
        )

    return make


@pytest.fixture
def admin(client_of: Callable[[User], Client], dora: User) -> Client:
    """An administrator's browser, the password confirmed a moment ago."""
    browser = client_of(dora)
    confirm(browser)
    return browser


def page_of(row: Comparison) -> str:
    return reverse("comparison", args=[row.candidate_id, row.pk])


def promotion_of(row: Comparison) -> str:
    return reverse("model_promote", args=[row.candidate_id, row.pk])


# --- the list


def test_every_version_is_listed_with_its_state(client_of, carol, candidate, model_version):
    text = client_of(carol).get(reverse("models")).content.decode()
    assert "fake 1" in text
    assert "&lt;b&gt;new&lt;/b&gt; 2" in text
    assert "<b>new</b>" not in text


def test_a_reviewer_reads_and_changes_nothing(client_of, carol, compared):
    row = compared()
    browser = client_of(carol)
    for path in (reverse("models"), page_of(row)):
        answer = browser.get(path)
        assert answer.status_code == 200
        text = answer.content.decode()
        assert promotion_of(row) not in text
        assert reverse("model_roll_back") not in text
        assert reverse("judge_all_again") not in text
    assert browser.post(promotion_of(row), {"reason": "x"}).status_code == 404


def test_the_list_needs_no_more_queries_for_more_versions(
    client_of, dora, model_version, snapshot, django_assert_max_num_queries
):
    for at in range(24):
        ModelVersion.objects.create(name="m", version=str(at), artifact_sha256=f"{at:064d}")
    browser = client_of(dora)
    browser.get(reverse("models"))
    with django_assert_max_num_queries(22):
        browser.get(reverse("models"))


def test_many_versions_come_in_pages(client_of, carol, model_version):
    for at in range(30):
        ModelVersion.objects.create(name="m", version=str(at), artifact_sha256=f"{at:064d}")
    browser = client_of(carol)
    assert "?page=2" in browser.get(reverse("models")).content.decode()
    assert "fake 1" in browser.get(reverse("models") + "?page=2").content.decode()


def test_a_desk_without_a_model_says_so(client_of, carol):
    assert "No model judges yet" in client_of(carol).get(reverse("models")).content.decode()


def test_a_damaged_model_is_told(client_of, carol, model_version):
    ModelVersion.objects.update(damaged_at=timezone.now())
    text = client_of(carol).get(reverse("models")).content.decode()
    assert 'role="alert"' in text
    assert "were found altered or gone" in text


def test_changes_are_told_with_who_and_why(admin, dora, compared):
    row = compared()
    registry.promote(row.candidate, comparison=row, by=dora, reason="Fewer <u>mistakes</u>.")
    text = admin.get(reverse("models")).content.decode()
    assert "Fewer &lt;u&gt;mistakes&lt;/u&gt;." in text
    assert str(dora) in text
    assert page_of(row) in text


def test_the_navigation_leads_reviewers_there(client_of, carol, alice, model_version):
    link = f'href="{reverse("models")}"'
    assert link in client_of(carol).get(reverse("history")).content.decode()
    assert link not in client_of(alice).get(reverse("history")).content.decode()


# --- comparing


def test_an_administrator_orders_a_comparison(admin, candidate, snapshot, bells):
    answer = admin.post(reverse("model_compare", args=[candidate.pk]), {"snapshot": snapshot.pk})
    row = Comparison.objects.get()
    assert answer.headers["Location"] == page_of(row)
    assert "Waiting to begin" in admin.get(page_of(row)).content.decode()


def test_a_broken_snapshot_cannot_be_chosen(admin, candidate, snapshot):
    Snapshot.objects.update(broken_at=timezone.now())
    admin.post(reverse("model_compare", args=[candidate.pk]), {"snapshot": snapshot.pk})
    assert not Comparison.objects.exists()


def test_progress_is_shown(client_of, carol, compared):
    row = compared(status="running", figures={}, done=40, total=120)
    text = client_of(carol).get(page_of(row)).content.decode()
    assert "40 of 120 images" in text
    assert '<progress max="120" value="40"' in text


def test_a_failed_comparison_says_why(client_of, carol, compared):
    row = compared(status="failed", figures={}, failure_code="artifact_missing")
    assert "files are missing" in client_of(carol).get(page_of(row)).content.decode()


def test_figures_stand_side_by_side_in_words(client_of, carol, compared):
    text = client_of(carol).get(page_of(compared(TOO_FEW))).content.decode()
    assert "Faces swapped in videos (DFDC)" in text
    assert ">worse<" in text
    assert "no difference to be seen" in text
    assert "<svg" in text
    assert "Of 4 golden images" in text
    assert "Too few reals to tell" in text


def test_a_difference_is_called_by_its_interval(compared):
    shown = shown_comparison(compared())
    sides = {str(place.name): place.right.side for place in shown.sources}
    assert sides == {"Faces swapped in videos (DFDC)": "worse", "Ordinary photographs": "same"}
    by_name = {str(row.name): row for row in shown.pooled}
    assert by_name["Fakes called authentic"].side == "worse"
    assert by_name["Reals accused"].side == "same"


def test_the_comparison_of_another_model_is_not_there(client_of, carol, compared, model_version):
    row = compared()
    assert (
        client_of(carol).get(reverse("comparison", args=[model_version.pk, row.pk])).status_code
        == 404
    )


def test_changed_verdicts_show_what_the_reader_may_see(client_of, carol, alice, compared):
    version = ModelVersion.objects.active()
    shown, hidden = (done_row(alice, version) for _ in range(2))
    Image.objects.filter(pk=hidden.image_id).update(is_confidential=True)
    changed = [{"detection": str(row.pk), "before": REAL, "after": FAKE} for row in (shown, hidden)]
    text = client_of(carol).get(page_of(compared(changed=changed))).content.decode()
    assert reverse("detection", args=[shown.pk]) in text
    assert str(hidden.pk) not in text
    assert str(hidden.image_id) not in text
    assert "1 of them is about an image that you may not see" in text


def test_a_thousand_changed_verdicts_come_in_pages(
    client_of, carol, alice, compared, django_assert_max_num_queries
):
    version = ModelVersion.objects.active()
    rows = [done_row(alice, version) for _ in range(60)]
    changed = [{"detection": str(row.pk), "before": REAL, "after": FAKE} for row in rows]
    row, browser = compared(changed=changed), client_of(carol)
    with django_assert_max_num_queries(25):
        text = browser.get(page_of(row)).content.decode()
    assert text.count("<img ") == 24
    assert "?page=2" in text


# --- promoting and going back


def test_an_administrator_promotes_through_the_gate(admin, dora, compared):
    row = compared()
    assert promotion_of(row) in admin.get(page_of(row)).content.decode()
    answer = admin.post(promotion_of(row), {"reason": "Better on faces."}, follow=True)
    assert "judges from now on" in answer.content.decode()
    assert ModelVersion.objects.active() == row.candidate
    made = Activation.objects.get()
    assert (made.by, made.reason, made.comparison) == (dora, "Better on faces.", row)


def test_the_password_is_asked_again(client_of, dora, compared):
    row = compared()
    answer = client_of(dora).post(promotion_of(row), {"reason": "Better."})
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert not Activation.objects.exists()


def test_without_a_reason_nothing_is_promoted(admin, compared):
    row = compared()
    assert admin.post(promotion_of(row), {"reason": "  "}).status_code == 400
    assert not Activation.objects.exists()


def test_a_shut_gate_wants_a_confirmation(admin, compared):
    row = compared(TOO_FEW)
    refused = admin.post(promotion_of(row), {"reason": "We need it."})
    assert refused.status_code == 409
    assert "tick that you have read" in refused.content.decode()
    admin.post(promotion_of(row), {"reason": "We need it.", "overrules": "on"})
    assert ModelVersion.objects.active() == row.candidate


def test_where_people_would_be_accused_there_is_no_form(admin, compared):
    row = compared(ACCUSES)
    text = admin.get(page_of(row)).content.decode()
    assert promotion_of(row) not in text
    assert "Nobody may promote it" in text
    answer = admin.post(promotion_of(row), {"reason": "All the same.", "overrules": "on"})
    assert answer.status_code == 409
    assert not Activation.objects.exists()


def test_going_back_wants_a_reason_and_does_it(admin, dora, compared, model_version):
    row = compared()
    registry.activate(model_version, by=None)
    Activation.objects.create(version=model_version, kind="first")
    registry.promote(row.candidate, comparison=row, by=dora, reason="x")
    path = reverse("model_roll_back")
    assert path in admin.get(reverse("models")).content.decode()
    assert admin.post(path, {}).status_code == 400
    assert "judges again" in admin.post(path, {"reason": "Worse."}, follow=True).content.decode()
    assert ModelVersion.objects.active() == model_version


def test_where_nothing_was_before_it_says_so(admin, model_version):
    path = reverse("model_roll_back")
    assert "nothing to go back to" in admin.get(path).content.decode()
    assert admin.post(path, {"reason": "x"}).status_code == 409


# --- judging again


@pytest.fixture
def old(alice: User, model_version: ModelVersion, candidate: ModelVersion) -> Detection:
    row = done_row(alice, model_version)
    registry.activate(candidate, by=None)
    return row


def test_the_owner_has_one_judged_again(client_of, alice, old, candidate):
    browser = client_of(alice)
    path = reverse("detection_judge_again", args=[old.pk])
    assert path in browser.get(reverse("detection", args=[old.pk])).content.decode()
    answer = browser.post(path)
    again = Detection.objects.get(model_version=candidate)
    assert answer.headers["Location"] == reverse("detection", args=[again.pk])
    assert path not in browser.get(reverse("detection", args=[old.pk])).content.decode()


def test_both_verdicts_link_each_other_and_say_what_changed(client_of, alice, old, candidate):
    again = judging_again.ask(by=alice, detection=old)
    Detection.objects.filter(pk=again.pk).update(
        status="done", verdict=FAKE, probability=0.95, completed_at=timezone.now()
    )
    browser = client_of(alice)
    for here, there in ((old, again), (again, old)):
        text = browser.get(reverse("detection", args=[here.pk])).content.decode()
        assert reverse("detection", args=[there.pk]) in text
        assert "another verdict" in text


def test_nothing_is_offered_where_the_newest_model_judged(client_of, alice, candidate, old):
    row = done_row(alice, candidate)
    text = client_of(alice).get(reverse("detection", args=[row.pk])).content.decode()
    assert "Judge again" not in text


def test_who_sees_it_through_a_case_may_not_ask(client_of, alice, bob, old):
    case = cases.create(by=alice, title="A story")
    cases.add_images(by=alice, case=case, images=[old.image])
    case_people.add_person(by=alice, case=case, who=bob.email, role="editor")
    browser = client_of(bob)
    path = reverse("detection_judge_again", args=[old.pk])
    assert path not in browser.get(reverse("detection", args=[old.pk])).content.decode()
    assert browser.post(path).status_code == 403


def test_a_case_is_judged_again_by_whoever_may_change_it(client_of, alice, bob, old, carol):
    case = cases.create(by=alice, title="A story")
    cases.add_images(by=alice, case=case, images=[old.image])
    case_people.add_person(by=alice, case=case, who=bob.email, role="reader")
    path = reverse("case_judge_again", args=[case.pk])
    assert path not in client_of(bob).get(reverse("case", args=[case.pk])).content.decode()
    assert client_of(bob).post(path).status_code == 403
    assert client_of(carol).post(path).status_code == 404
    browser = client_of(alice)
    assert path in browser.get(reverse("case", args=[case.pk])).content.decode()
    browser.post(path)
    assert Rejudging.objects.get().case == case
    assert "Being judged again" in browser.get(reverse("case", args=[case.pk])).content.decode()


def test_all_are_judged_again_with_progress_and_may_be_cancelled(admin, old, candidate):
    admin.post(reverse("judge_all_again"), {"days": "30"})
    row = Rejudging.objects.get()
    page = reverse("rejudging", args=[row.pk])
    assert page in admin.get(reverse("models")).content.decode()
    assert "0 of 1 images handed over" in admin.get(page).content.decode()
    admin.post(reverse("rejudging_cancel", args=[row.pk]))
    assert "Cancelled." in admin.get(page).content.decode()


def test_a_cases_order_has_no_page_for_administrators(admin, alice, old):
    case = cases.create(by=alice, title="A story")
    cases.add_images(by=alice, case=case, images=[old.image])
    row = judging_again.order(by=alice, case=case)
    assert admin.get(reverse("rejudging", args=[row.pk])).status_code == 404
