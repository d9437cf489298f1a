"""What holds for every page: keyboard, policy, width, direction, contrast, hostile names."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from detection import storage
from detection.models import (
    Case,
    Comparison,
    DatasetImport,
    Detection,
    ModelVersion,
    Rejudging,
    ReviewItem,
    ShadowJudgement,
    Snapshot,
    TrainingRun,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.services import (
    case_notes,
    case_people,
    cases,
    datasets,
    drift_alerts,
    period_figures,
    review,
    review_claims,
    review_golden,
    snapshots,
    telling,
)
from detection.services.webhooks import add_endpoint
from ml.comparison import compare
from ml.release import obstacles
from tests import archives, images, traffic
from tests.browser.conftest import Visit, Visiting
from tests.conftest import PASSWORD
from tests.detection.training_data import run_row
from tests.factories import done_row, review_row
from tests.labelled import imported
from tests.ml.test_comparison import right
from tests.review_desk import moderator

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
def reviews(detections: list[Detection], bob: User) -> list[ReviewItem]:
    """One that the reader may take, one of hers, one that another holds, one that is closed; and
    a truth that is known."""
    erin = moderator("erin")
    others = [done_row(bob, detections[0].model_version) for _ in range(3)]
    with transaction.atomic():
        rows = [review.open_item(row, "flagged") for row in (*others, detections[0])]
    found = [row for row in rows if row is not None]
    for person, text in ((erin, "<b>no</b>" * 40), (moderator("finn"), "word" * 80)):
        found[0].detection.feedback.create(
            by=person, label="real", category="false_positive", comment=text
        )
    review_claims.claim(item=found[1], by=erin)
    ReviewItem.objects.filter(pk=found[2].pk).update(
        status="closed", outcome="authentic", closed_at=timezone.now()
    )
    review_golden.add(by=erin, detection=others[0], outcome="authentic", note="word" * 80)
    return found


@pytest.fixture
def labelled_data(model: object, alice: User) -> list[str]:
    """The pages of a dataset with long words, an import that goes on, and a broken snapshot."""
    dataset = datasets.create(by=alice, name="long" * 20, licence="licence" * 28)
    row = imported(dataset, {**archives.labelled(4), f"Real/{'n' * 200}.jpg": b"no picture"})
    waiting = DatasetImport.objects.create(
        dataset=dataset,
        by=alice,
        path="/x",
        name="set.zip",
        status="running",
        stage="read",
        total=9,
        done=4,
        attempt=1,
        lease_until=timezone.now() + timedelta(hours=1),
    )
    frozen = snapshots.freeze([dataset], name="name" * 20, by=alice)
    gone, kept = frozen.images.all()[:2]
    datasets.remove([gone], by=alice, because="administrator")
    return [
        reverse("datasets"),
        reverse("dataset", args=[dataset.pk]),
        reverse("dataset_import_page", args=[row.pk]),
        reverse("dataset_import_page", args=[waiting.pk]),
        reverse("labelled_image", args=[gone.pk]),
        reverse("labelled_image", args=[kept.pk]),
        reverse("snapshot", args=[frozen.pk]),
    ]


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
    reviews: list[ReviewItem],
    labelled_data: list[str],
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
        "review",
        "review_figures",
        "review_rules",
        "review_golden",
        "notices",
        "models",
        "model_roll_back",
        "training",
        "training_schedule",
        "monitoring",
        "operations",
    )
    telling.review_completed(review_row(detections[0], by=alice))
    return [
        *map(reverse, names),
        *(reverse("detection", args=[row.pk]) for row in detections),
        reverse("audit_life", args=["detection", detections[0].pk]),
        reverse("person", args=[alice.pk]),
        reverse("model", args=[detections[0].model_version_id]),
        f"{reverse('operations_retry')}?code=decoder_timeout",
        *_about_models(alice, detections[0].model_version),
        reverse("model_shadow", args=[candidate.pk]),
        reverse("webhook", args=[endpoint.pk]),
        reverse("training_run", args=[trained().pk]),
        *(reverse(name, args=[case.pk]) for name in CASE_PAGES),
        reverse("case_note", args=[case.pk, case.notes.get().pk]),
        *(reverse(f"image_{act}", args=[detections[0].image_id]) for act in ("erase", "hold")),
        f"{reverse('audit_trail')}?action=nonsense",
        *(reverse("review_item", args=[row.pk]) for row in reviews),
        reverse("detection_golden", args=[detections[0].pk]),
        f"{reverse('review')}?reason=reopened",
        *labelled_data,
    ]


def _about_models(alice: User, version: ModelVersion) -> list[str]:
    """A comparison that is over and one that is under way, and an order to judge again."""
    newer = ModelVersion.objects.create(name="new", version="2", artifact_sha256="d" * 64)
    snapshot = Snapshot.objects.create(name="long" * 20, sha256="a" * 64)
    about = {"candidate": newer, "against": version, "snapshot": snapshot, "by": alice}
    changed = [
        {"detection": str(row.pk), "before": "inconclusive", "after": "likely_authentic"}
        for row in Detection.objects.filter(status="done")
    ]
    figures = compare([*right(20, source="photographs"), *right(3, source="dfdc")])
    over = {"status": "done", "figures": figures, "obstacles": obstacles(figures)}
    rows = [
        Comparison.objects.create(**about, **over, changed=changed),
        Comparison.objects.create(**about, status="running", done=3, total=9),
    ]
    again = Rejudging.objects.create(version=version, by=alice, total=9, done=3)
    return [
        *(reverse("comparison", args=[newer.pk, row.pk]) for row in rows),
        reverse("rejudging", args=[again.pk]),
    ]


def trained() -> TrainingRun:
    """A run with curves, a log and a long note."""
    epochs = range(1, 6)
    figures = ("loss", "val_loss", "accuracy", "val_accuracy")
    run = run_row(
        status=TrainingRun.Status.FAILED,
        failure_code="snapshot_broken",
        note="word" * 90,
        history=[{"epoch": at, **dict.fromkeys(figures, 1 / at)} for at in epochs],
    )
    folder = storage.training_dir(run.pk)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("epoch 1/5: loss 0.5 " * 40)
    return run


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
def test_no_page_breaks_the_policy_or_a_rule_of_wcag(
    visit: Visiting, alice: User, paths: list[str], language: str, scheme: str
) -> None:
    """The content security policy, the rules of WCAG 2.2 A and AA that a machine can check with
    axe's best practices, and the contrast of every text by WCAG's own formula."""
    visiting = visit(color_scheme=scheme)
    found: dict[str, list[str]] = {}

    def check(path: str) -> None:
        complaints = [*visiting.complaints, *visiting.dialogs]
        low = visiting.page.evaluate(LOW_CONTRAST)
        results = visiting.page.evaluate(f"{AXE_SCRIPT}; axe.run({json.dumps(AXE_OPTIONS)})")
        broken = [
            f"{rule['id']}: {[node['target'][0] for node in rule['nodes']][:3]}"
            for rule in results["violations"]
        ]
        if complaints or low or broken:
            found[path] = [*complaints, *low, *broken]
        visiting.complaints.clear()

    _walk(visiting, alice, paths, check, language)
    assert found == {}
    assert visiting.dialogs == []


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
