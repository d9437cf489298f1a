"""A real Chromium against pytest-django's live server; what it complains about is collected."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from accounts.models import User
from detection import detector, previews
from detection.models import Detection, ModelVersion
from tests.chromium import FLAGS, chromium
from tests.conftest import PASSWORD

# Playwright's loop lives in the thread of the tests, which also asks the database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one the test is skipped, but fails in CI, where nothing may be skipped."""
    path = chromium()
    if not path:
        if os.environ.get("CI"):
            pytest.fail("CI is set and no Chromium was found; install one or set CHROMIUM")
        pytest.skip("no Chromium found; install one or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@dataclass
class Visit:
    """A page with what went wrong on it."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.base + path)
        return self.page

    def sign_in(self, user: User) -> None:
        self.open("/accounts/login/")
        self.page.get_by_label("Email").fill(user.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(self.base + "/")

    def width_left_over(self) -> int:
        """How many pixels the page is wider than its window."""
        return self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


Visiting = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, live_server: Any) -> Iterator[Visiting]:
    """Opens a fresh browser profile; options are those of a Playwright context."""
    contexts: list[BrowserContext] = []

    def start(**options: Any) -> Visit:
        context = browser.new_context(**{"locale": "en-GB", **options})
        contexts.append(context)
        context.set_default_timeout(10_000)
        visit = Visit(context.new_page(), live_server.url)
        visit.page.on("console", lambda message: _note(visit, message.type, message.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on(
            "dialog", lambda dialog: (visit.dialogs.append(dialog.message), dialog.dismiss())
        )
        return visit

    yield start
    for context in contexts:
        context.close()


def _note(visit: Visit, kind: str, text: str) -> None:
    is_refusal = "the server responded with a status of 4" in text  # a test's own bad file
    if kind in {"error", "warning"} and not is_refusal:
        visit.complaints.append(text)


@pytest.fixture
def model(transactional_db: None, model_version: ModelVersion) -> ModelVersion:
    return model_version


@pytest.fixture
def judge() -> Callable[..., None]:
    """Finishes one detection as a worker would, previews included."""

    def finish(detection: Detection, probability: float | None, verdict: str, **more: Any) -> None:
        claimed = Detection.objects.claim(detection.pk, worker="test:1:1")
        assert claimed is not None
        previews.write_previews(claimed.image, detector.decode(claimed.image).pixels)
        assert claimed.complete(probability=probability, verdict=verdict, **more)

    return finish


@pytest.fixture
def working(judge: Callable[..., None]) -> Iterator[None]:
    """A stand-in for the worker: judges whatever is queued, a moment after it came."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            for detection in Detection.objects.filter(status=Detection.Status.QUEUED):
                judge(detection, 0.95, Detection.Verdict.LIKELY_MANIPULATED)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()
