"""What holds for every page: keyboard, policy, width, direction, contrast, hostile names."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from detection.models import (
    Case,
    Detection,
    ModelVersion,
    ShadowJudgement,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.services import case_notes, case_people, cases, drift_alerts, period_figures
from detection.services.webhooks import add_endpoint
from tests import images, traffic
from tests.browser.conftest import Visit, Visiting
from tests.conftest import PASSWORD

pytestmark = pytest.mark.browser

# Every text node's colour against the nearest opaque background, by the formula of WCAG 2.2.
LOW_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) =>
      c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor);
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("template, noscript")) continue;
    const pair = [rgba(getComputedStyle(element).color), ground(element)].map(luminance);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return low;
}"""

AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
CASE_PAGES = ("case", "case_edit", "case_people", "case_history", "case_report")

FOCUSED = """() => {
  const { textContent, id } = document.activeElement;
  return textContent.trim().split("\\n")[0] || id;
}"""


@pytest.fixture
def detections(
    model: object, alice: User, judge: Callable[..., None], client: Client
) -> list[Detection]:
    """One detection in each state, the first under a hostile name."""
    client.force_login(alice)
    verdicts = Detection.Verdict
    made = []
    for seed, name in enumerate(
        ['<img src=x onerror="alert(1)">.jpg', "b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    ):
        file = SimpleUploadedFile(name, images.jpeg_bytes(seed=seed), "image/jpeg")
        client.post(reverse("verify"), {"image": file})
        made.append(Detection.objects.latest("created_at"))
    why = {
        "transforms": {"jpeg_85": 0.5},
        "faces": [{"box": [0.1, 0.1, 0.3, 0.4], "probability": p} for p in (0.95, 0.5, 0.05)],
        "activation": bytes(8),
        "activation_shape": [2, 2],
    }
    judge(made[0], 0.95, verdicts.LIKELY_MANIPULATED, **why)
    judge(made[1], 0.05, verdicts.LIKELY_AUTHENTIC)
    judge(made[2], 0.95, verdicts.INCONCLUSIVE, reasons=["unstable"])
    claimed = Detection.objects.claim(made[3].pk, worker="test:1:1")
    assert claimed is not None
    claimed.fail("decoder_timeout")
    return made


@pytest.fixture
def endpoint(model: object, alice: User) -> WebhookEndpoint:
    """Told of a verdict, in vain."""
    url = "https://cms.example.org/" + "hooks" * 30
    made, _secret = add_endpoint(by=alice, url=url, events=["detection.completed"])
    attempt = {"at": "2026-11-25T18:03:00+00:00", "status_code": None, "error": "timeout", "ms": 9}
    WebhookDelivery.objects.create(
        endpoint=made,
        url=url,
        event="detection.completed",
        payload=json.dumps({"data": "x" * 300}),
        status="failed",
        attempts=[attempt],
    )
    return made


@pytest.fixture
def case(detections: list[Detection], alice: User, bob: User) -> Case:
    """The detections together, one reader, a long word and a note with an earlier version."""
    made = cases.create(by=alice, title="Flood", description="long" * 80, tags=["north sea"])
    cases.add_images(by=alice, case=made, images=[row.image for row in detections])
    case_people.add_person(by=alice, case=made, who=bob.email, role="reader")
    note = case_notes.add_note(by=alice, case=made, text="<b>no</b>" * 40)
    case_notes.edit_note(by=alice, note=note, text="word" * 80, seen_version=1)
    return made


@pytest.fixture
def candidate(detections: list[Detection]) -> ModelVersion:
    """Would judge one image otherwise than a model with 12 weeks of traffic and an alert."""
    first = detections[0]
    yesterday = period_figures.today() - timedelta(days=1)
    traffic.counted(str(first.model_version_id), last=yesterday, weeks=12, shifted_weeks=[12])
    drift_alerts.check()
    made = ModelVersion.objects.create(name="fake", version="2", artifact_sha256="e" * 64)
    ShadowJudgement.objects.create(
        detection=first, version=made, status="done", verdict="inconclusive", probability=0.5
    )
    return made


@pytest.fixture
def paths(
    detections: list[Detection],
    alice: User,
    endpoint: WebhookEndpoint,
    case: Case,
    candidate: ModelVersion,
) -> list[str]:
    User.objects.filter(pk=alice.pk).update(is_auditor=True, role=User.Role.ADMIN)
    names = (
        "verify",
        "history",
        "cases",
        "case_new",
        "responsible_use",
        "verify_report",
        "account",
        "account_change_password",
        "keys",
        "webhooks",
        "webhook_callbacks",
        "usersessions_list",
        "account_reauthenticate",
        "mfa_index",
        "mfa_list_webauthn",
        "mfa_add_webauthn",
        "mfa_activate_totp",
        "audit_trail",
        "people",
        "invite",
        "expected_share",
        "monitoring",
    )
    return [
        *map(reverse, names),
        *(reverse("detection", args=[row.pk]) for row in detections),
        reverse("audit_life", args=["detection", detections[0].pk]),
        reverse("person", args=[alice.pk]),
        reverse("model", args=[detections[0].model_version_id]),
        reverse("model_shadow", args=[candidate.pk]),
        reverse("webhook", args=[endpoint.pk]),
        *(reverse(name, args=[case.pk]) for name in CASE_PAGES),
        reverse("case_note", args=[case.pk, case.notes.get().pk]),
        *(reverse(f"image_{act}", args=[detections[0].image_id]) for act in ("erase", "hold")),
        f"{reverse('audit_trail')}?action=nonsense",
    ]


def _sign_in(visiting: Visit, alice: User) -> None:
    """And enter the password again, without which some pages lead to where that is asked for."""
    visiting.sign_in(alice)
    page = visiting.open(reverse("account_reauthenticate"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(visiting.base + "/")


def _walk(
    visiting: Visit,
    alice: User,
    paths: list[str],
    check: Callable[[str], None],
    language: str = "en",
) -> None:
    _sign_in(visiting, alice)
    _speak(visiting, language)
    for path in [*paths, "/nowhere"]:
        visiting.open(path)
        check(path)
    visiting.page.context.clear_cookies()
    _speak(visiting, language)
    visiting.open("/accounts/login/")
    check("sign-in")


def _speak(visiting: Visit, language: str) -> None:
    visiting.page.context.add_cookies(
        [{"name": "django_language", "value": language, "url": visiting.base}]
    )


def test_no_page_breaks_the_content_security_policy(
    visit: Visiting, alice: User, paths: list[str]
) -> None:
    visiting = visit()
    _walk(visiting, alice, paths, lambda path: None)
    assert visiting.complaints == []
    assert visiting.dialogs == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_no_page_scrolls_sideways_on_a_phone(
    visit: Visiting, alice: User, paths: list[str], language: str
) -> None:
    visiting = visit(viewport={"width": 390, "height": 844})
    too_wide = {}

    def check(path: str) -> None:
        if pixels := visiting.width_left_over():
            too_wide[path] = pixels

    _sign_in(visiting, alice)
    _speak(visiting, language)
    for path in paths:
        visiting.open(path)
        check(path)
    assert too_wide == {}


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("en", "dark"), ("ar", "light")])
def test_axe_finds_nothing_on_any_page(
    visit: Visiting, alice: User, paths: list[str], language: str, scheme: str
) -> None:
    """The rules of WCAG 2.2 A and AA that a machine can check, and axe's best practices."""
    visiting = visit(color_scheme=scheme)
    found: dict[str, list[str]] = {}

    def check(path: str) -> None:
        results = visiting.page.evaluate(f"{AXE_SCRIPT}; axe.run({json.dumps(AXE_OPTIONS)})")
        for violation in results["violations"]:
            places = [node["target"][0] for node in violation["nodes"]]
            found.setdefault(path, []).append(f"{violation['id']}: {places[:3]}")

    _walk(visiting, alice, paths, check)
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    visit: Visiting, alice: User, paths: list[str], scheme: str
) -> None:
    visiting = visit(color_scheme=scheme)
    low: dict[str, list[str]] = {}

    def check(path: str) -> None:
        if found := visiting.page.evaluate(LOW_CONTRAST):
            low[path] = found

    _walk(visiting, alice, paths, check)
    assert low == {}


def test_light_and_dark_differ(visit: Visiting, db: None) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme).open("/accounts/login/")
        grounds.add(
            page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
        )
    assert len(grounds) == 2


def test_the_keyboard_reaches_everything_on_verify(
    visit: Visiting, model: object, alice: User
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page, reached = visiting.open("/"), []
    for _ in range(17):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
    assert reached[0] == "Skip to the content"
    for name in (
        "Verify",
        "History",
        "Sign out",
        "image",
        "is_confidential",
        "Drawn harbour at dusk",
    ):
        assert name in reached, reached


def test_the_skip_link_leads_past_the_navigation(visit: Visiting, alice: User) -> None:
    visiting = visit()
    page = visiting.open("/accounts/login/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Email")).to_be_focused()


def test_arabic_turns_the_page_and_stays(visit: Visiting, model: object, alice: User) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.page
    page.get_by_role("button", name="العربيّة").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    brand, nav = page.locator(".brand").bounding_box(), page.locator("nav.nav").bounding_box()
    assert brand is not None
    assert nav is not None
    assert brand["x"] > nav["x"]  # the name stands at the start, which is now on the right
    visiting.open("/history")
    expect(page.locator("html")).to_have_attribute("lang", "ar")


def test_wrong_passwords_are_answered_on_the_page(visit: Visiting, alice: User) -> None:
    visiting = visit()
    page = visiting.open("/accounts/login/")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("not correct")


def test_signing_out_ends_at_the_sign_in_page(visit: Visiting, model: object, alice: User) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    visiting.page.get_by_role("button", name="Sign out").click()
    expect(visiting.page.get_by_role("heading", name="Sign in")).to_be_visible()
