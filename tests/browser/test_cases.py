"""Cases in a browser: readable by machines that read aloud, and filled from the verify page."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from detection.models import Case, Detection
from detection.services import case_notes, case_people, cases
from tests import images
from tests.browser.conftest import Visiting
from tests.factories import submitted

pytestmark = pytest.mark.browser
PAGES = ("case", "case_edit", "case_people", "case_history", "case_report")


@pytest.fixture
def case(model: object, alice: User, bob: User, judge: Callable[..., None]) -> Case:
    made = cases.create(by=alice, title="Flood", description="From the coast", tags=["flood"])
    case_people.add_person(by=alice, case=made, who=bob.email, role="editor")
    row = submitted(alice, case=str(made.pk), is_confidential=True)
    judge(row.detection, 0.95, Detection.Verdict.LIKELY_MANIPULATED)
    case_notes.add_note(by=alice, case=made, text="Seen before")
    return made


def test_a_screen_reader_finds_its_way(visit: Visiting, alice: User, case: Case) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    detection = case.images.get().detections.get()
    paths = [
        reverse("cases"),
        reverse("case_new"),
        *(reverse(name, args=[case.pk]) for name in PAGES),
        reverse("case_note", args=[case.pk, case.notes.get().pk]),
        f"{reverse('verify')}?case={case.pk}",
        reverse("detection", args=[detection.pk]),
    ]
    found = {}
    for path in paths:
        page = visiting.open(path)
        page.evaluate("() => document.querySelectorAll('details').forEach((e) => (e.open = true))")
        if violations := Axe().run(page).response["violations"]:
            found[path] = [(one["id"], one["nodes"][0]["html"]) for one in violations]
    assert found == {}
    assert visiting.complaints == []


def test_what_is_dropped_goes_into_the_chosen_case(
    visit: Visiting, alice: User, case: Case
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.open(f"/?case={case.pk}")
    expect(page.get_by_label("Into a case")).to_have_value(str(case.pk))
    photo = {"name": "b.jpg", "mimeType": "image/jpeg", "buffer": images.jpeg_bytes(seed=7)}
    page.locator("#image").set_input_files([photo])
    page.locator("[data-open]:visible").wait_for()
    assert case.images.count() == 2


def test_a_case_is_made_shared_and_written_in_without_scripts(
    visit: Visiting, model: object, alice: User, bob: User
) -> None:
    visiting = visit(java_script_enabled=False)
    visiting.sign_in(alice)
    page = visiting.open("/cases/new")
    page.get_by_label("Title").fill("Storm")
    page.get_by_role("button", name="Make the case").click()
    page.get_by_role("textbox", name="Note").fill("First words")
    page.get_by_role("button", name="Write the note").click()
    expect(page.locator(".note-text")).to_have_text("First words")
    page.get_by_role("link", name="Add or remove people").click()
    page.get_by_label("E-mail address, or").fill(bob.email)
    page.get_by_label("Reads it").check()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Added.")
    assert Case.objects.get().role_of(bob) == "reader"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_name_of_an_image_has_most_of_its_row(
    visit: Visiting, alice: User, case: Case, width: int
) -> None:
    visiting = visit(viewport={"width": width, "height": 800})
    visiting.sign_in(alice)
    page = visiting.open(reverse("case", args=[case.pk]))
    row, text = page.locator(".entry").bounding_box(), page.locator(".entry-text").bounding_box()
    assert row is not None
    assert text is not None
    assert text["width"] > row["width"] / 2
