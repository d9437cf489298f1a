"""A journalist's whole path on a running desk: two languages, two themes, with scripts and without.

Everything is found by addresses and names of fields, which no language changes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests import images
from tests.integration.installation import EMAIL, PASSWORD, Installation

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000
WALKS = [
    ("en", "light", True, 1280),
    ("ar", "dark", True, 390),
    ("en", "dark", False, 390),
    ("ar", "light", False, 1280),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("desk") / "data") as running:
        yield running


@pytest.mark.parametrize(("language", "scheme", "has_scripts", "width"), WALKS)
def test_from_a_photograph_to_a_report_that_somebody_else_checks(
    browser: Browser,
    desk: Installation,
    tmp_path: Path,
    language: str,
    scheme: str,
    has_scripts: bool,
    width: int,
) -> None:
    complaints: list[str] = []
    context = browser.new_context(
        color_scheme=scheme,
        java_script_enabled=has_scripts,
        viewport={"width": width, "height": 900},
    )
    _speak(context, desk, language)
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    name = f"{language}-{scheme}-{width}"
    file = tmp_path / f"{name}.jpg"
    seed = WALKS.index((language, scheme, has_scripts, width))
    file.write_bytes(images.jpeg_bytes(640, 480, seed=seed))

    _sign_in(page, desk)
    detection = _judged(page, file, has_scripts=has_scripts)
    expect(page.locator("html")).to_have_attribute("lang", language)
    _draw_a_layer(page, detection)
    link = _shared(page, detection)
    _put_into_a_case(page, detection, name)
    _found_again(page, desk, name, detection)
    _checked_by_a_stranger(browser, desk, language, link, tmp_path)
    context.close()
    assert complaints == []


def _speak(context: BrowserContext, desk: Installation, language: str) -> None:
    context.add_cookies([{"name": "django_language", "value": language, "url": desk.origin}])


def _sign_in(page: Page, desk: Installation) -> None:
    page.goto(f"{desk.origin}/accounts/login/")
    page.locator("#id_login").fill(EMAIL)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    page.wait_for_url(f"{desk.origin}/")


def _judged(page: Page, file: Path, *, has_scripts: bool) -> str:
    """Address of the page with the verdict."""
    page.locator("#image").set_input_files(file)
    if has_scripts:
        page.locator("[data-rows] [data-open]").click(timeout=PATIENCE_MS)
    else:
        page.locator("form[data-upload] button[data-without-script]").click()
    page.wait_for_url(re.compile(r"/detections/"))
    address = page.url
    for _ in range(60):
        if page.locator("[data-card][data-finished=yes]").count():
            break
        page.wait_for_timeout(500)
        page.goto(address)
    expect(page.locator("[data-card][data-finished=yes]")).to_have_count(1)
    expect(page.locator("[data-verdict]")).not_to_be_empty()
    return address


def _draw_a_layer(page: Page, detection: str) -> None:
    page.goto(f"{detection}?layer=noise")
    page.locator("#layers form button").first.click()
    drawn = page.locator(".evidence-layer img")
    for _ in range(60):
        if drawn.count():
            break
        page.wait_for_timeout(500)
        page.goto(f"{detection}?layer=noise")
    expect(drawn).to_have_count(1)


def _shared(page: Page, detection: str) -> str:
    """Address of the link to a report that was just made."""
    page.goto(detection)
    page.locator("form[action$='/reports'] button").click()
    row = page.locator(".report-row").first
    row.locator("details summary").first.click()
    row.locator("form[action$='/links'] button").click()
    found = re.search(r"https?://[^\s\"<]+/shared/[A-Za-z0-9_-]+", page.content())
    assert found is not None
    return found[0]


def _put_into_a_case(page: Page, detection: str, title: str) -> None:
    page.goto(detection)
    page.locator(".in-cases-add summary").click()
    page.locator("#new-case").fill(title)
    page.locator(".in-cases-add button[value=add]").click()
    page.goto(detection)
    expect(page.locator(".in-cases-list a")).to_have_text(title)


def _found_again(page: Page, desk: Installation, name: str, detection: str) -> None:
    page.goto(f"{desk.origin}/history?q={name}")
    expect(page.locator(".entry-link")).to_have_count(1)
    assert detection.endswith(str(page.locator(".entry-link").get_attribute("href")))


def _checked_by_a_stranger(
    browser: Browser, desk: Installation, language: str, link: str, folder: Path
) -> None:
    """Without an account: the shared page, its file, what the desk says of it and of a forgery."""
    context = browser.new_context(java_script_enabled=False)
    _speak(context, desk, language)
    page = context.new_page()
    page.goto(link)
    expect(page.locator("h1")).to_be_visible()
    with page.expect_download() as download:
        page.locator("a[href$='/json']").click()
    report = folder / "report.json"
    download.value.save_as(report)
    genuine = _standing(page, desk, report)
    forged = folder / "forged.json"
    forged.write_bytes(report.read_bytes().replace(b"JPEG", b"JPEQ", 1))
    assert forged.read_bytes() != report.read_bytes()
    assert _standing(page, desk, forged) != genuine
    context.close()


def _standing(page: Page, desk: Installation, file: Path) -> str:
    """What the desk says of a report's file."""
    page.goto(f"{desk.origin}/verify-report")
    page.locator("main input[type=file]").set_input_files(file)
    page.locator("form.report-check button").click()
    return page.locator("#result").inner_text()
