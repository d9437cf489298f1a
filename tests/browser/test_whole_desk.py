"""A journalist's first minutes, in a real browser against a real installation."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import images
from tests.integration.installation import EMAIL, PASSWORD, Installation

PHOTOGRAPHS = 10


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path / "data", is_from_nothing=True) as running:
        yield running


def _signed_in(browser: Browser, installation: Installation) -> Page:
    page = browser.new_context(locale="en-GB").new_page()
    page.goto(installation.origin)
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    return page


def test_ten_photographs_are_judged_and_kept_over_a_restart(
    browser: Browser, installation: Installation, tmp_path: Path
) -> None:
    files = [tmp_path / f"photo-{number}.jpg" for number in range(PHOTOGRAPHS)]
    for seed, file in enumerate(files):
        file.write_bytes(images.jpeg_bytes(640, 480, seed=seed))

    page = _signed_in(browser, installation)
    page.locator("#image").set_input_files(files)
    judged = page.locator("[data-rows] [data-card][data-finished=yes]:not(.tone-failed)")
    expect(judged).to_have_count(PHOTOGRAPHS, timeout=120_000)

    assert installation.stop() == 0
    installation.start()
    page.goto(f"{installation.origin}/history")
    expect(page.locator(".entry")).to_have_count(PHOTOGRAPHS)
    expect(page.locator(".entry:is(.tone-waiting, .tone-failed)")).to_have_count(0)
    page.context.close()
