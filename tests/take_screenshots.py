"""python -m tests.take_screenshots docs/img: the pages that the README shows, from a real desk.

Starts an installation of its own in a temporary folder, has drawn pictures judged by the shipped
network, and leaves nothing behind but the pictures it takes.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.chromium import FLAGS, chromium
from tests.integration.installation import EMAIL, PASSWORD, Installation

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
SAMPLES = ("Drawn portrait", "Drawn harbour at dusk")
PATIENCE_MS = 120_000
# file, path, profile, language
SHOTS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("detection", "detection", {"viewport": WIDE}, "en"),
    ("detection-dark-phone", "detection", {"viewport": PHONE, "color_scheme": "dark"}, "en"),
    ("detection-arabic", "detection", {"viewport": WIDE}, "ar"),
    ("history", "/history", {"viewport": WIDE}, "en"),
    ("verify", "/", {"viewport": WIDE}, "en"),
)


def take(folder: Path) -> list[Path]:
    """The pictures that were written."""
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        desk = Installation(Path(data) / "data")
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            desk.start()
            context = browser.new_context(viewport=WIDE)
            page = context.new_page()
            _sign_in(page, desk.origin)
            first, *_others = [_judged(page, desk.origin, name) for name in SAMPLES]
            places = {"detection": first}
            state = context.storage_state()
            written = []
            for name, path, profile, language in SHOTS:
                shown = browser.new_context(storage_state=state, **profile)
                shown.add_cookies(
                    [{"name": "django_language", "value": language, "url": desk.origin}]
                )
                page = shown.new_page()
                page.goto(places.get(path, desk.origin + path), wait_until="networkidle")
                written.append(folder / f"{name}.png")
                page.screenshot(path=written[-1])
                shown.close()
            return written
        finally:
            browser.close()
            desk.close()


def _sign_in(page: Page, origin: str) -> None:
    page.goto(origin)
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{origin}/")


def _judged(page: Page, origin: str, sample: str) -> str:
    """Address of the page of a drawn picture, once there is a verdict."""
    page.goto(origin)
    page.get_by_role("button", name=sample).click()
    page.locator("[data-card][data-finished=yes]").first.wait_for(timeout=PATIENCE_MS)
    return page.url


if __name__ == "__main__":
    for path in take(Path(sys.argv[1])):
        print(path)
