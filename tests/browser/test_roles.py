"""A day at the desk as each role, in browsers of their own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from accounts.models import User
from detection.models import Detection, Image
from tests import images
from tests.browser.conftest import Visit, Visiting
from tests.conftest import PASSWORD

pytestmark = pytest.mark.browser
NEW_PASSWORD = "a quiet harbour before the rain"


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    path = tmp_path / "harbour at dusk.jpg"
    path.write_bytes(images.jpeg_bytes(640, 480))
    return path


def _submit(visit: Visit, photo: Path) -> str:
    """Judge one photograph through the page; gives the detection's path."""
    visit.open("/").locator("#image").set_input_files(photo)
    judged = visit.page.locator("[data-rows] [data-card][data-finished=yes]")
    expect(judged).to_have_count(1)
    return f"/detections/{Detection.objects.latest('created_at').pk}"


def _is_hidden(visit: Visit, path: str) -> bool:
    answer = visit.page.goto(visit.base + path)
    return answer is not None and answer.status == 404


def test_a_journalist_submits_reads_and_sees_nobody_elses(
    visit: Visiting, working: None, model: object, alice: User, bob: User, photo_file: Path
) -> None:
    journalist, stranger = visit(), visit()
    journalist.sign_in(alice)
    path = _submit(journalist, photo_file)
    page = journalist.open(path)
    expect(page.get_by_role("main")).to_contain_text("Likely manipulated")
    expect(page.get_by_role("main")).to_contain_text("harbour at dusk.jpg")
    journalist.open("/history").get_by_role("link", name="harbour at dusk.jpg").click()
    assert page.url == journalist.base + path
    navigation = page.get_by_role("navigation")
    expect(navigation.get_by_role("link", name="Audit")).to_have_count(0)
    assert _is_hidden(journalist, "/people")
    assert _is_hidden(journalist, "/audit")
    stranger.sign_in(bob)
    assert _is_hidden(stranger, path)
    expect(stranger.open("/history").locator(".entry")).to_have_count(0)


def test_a_journalist_sets_the_desk_up_for_herself(
    visit: Visiting, model: object, alice: User
) -> None:
    journalist = visit()
    journalist.sign_in(alice)
    page = journalist.open("/account")
    page.get_by_label("Time zone").select_option("Asia/Kolkata")
    page.get_by_label("Appearance").select_option("dark")
    page.get_by_label("Language").select_option("ar")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("html[dir=rtl][lang=ar][data-theme=dark]")).to_have_count(1)
    ground = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    assert ground == "rgb(18, 22, 27)"
    with page.expect_download() as download:
        page.locator("form[action='/account/data'] button").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "account.json" in archive.namelist()
    assert journalist.complaints == []


def test_a_moderator_sees_everybodys_but_the_confidential(
    visit: Visiting, working: None, model: object, alice: User, carol: User, photo_file: Path
) -> None:
    journalist, moderator = visit(), visit()
    journalist.sign_in(alice)
    path = _submit(journalist, photo_file)
    moderator.sign_in(carol)
    moderator.open("/history?whose=all").get_by_role("link", name="harbour at dusk.jpg").click()
    expect(moderator.page.get_by_role("main")).to_contain_text("Likely manipulated")
    Image.objects.update(is_confidential=True)
    assert _is_hidden(moderator, path)
    expect(moderator.open("/history?whose=all").locator(".entry")).to_have_count(0)
    assert _is_hidden(moderator, "/people")


def test_an_administrator_lets_people_in_and_shuts_them_out(
    visit: Visiting, model: object, dora: User
) -> None:
    admin, newcomer = visit(), visit()
    admin.sign_in(dora)
    page = admin.open("/people")
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("E-mail address").fill("nora@example.org")
    page.get_by_label("Name").fill("Nora")
    page.get_by_label("Role").select_option("moderator")
    page.get_by_role("button", name="Invite").click()
    page.get_by_label("Password").fill(PASSWORD)  # whoever finds the session open invites nobody
    page.get_by_role("main").get_by_role("button").first.click()
    link = page.locator("code.key").inner_text()

    newcomer.page.goto(link)
    for field in newcomer.page.locator("input[type=password]").all():
        field.fill(NEW_PASSWORD)
    newcomer.page.get_by_role("main").get_by_role("button").click()
    newcomer.open("/accounts/login/").get_by_label("Email").fill("nora@example.org")
    newcomer.page.get_by_label("Password").fill(NEW_PASSWORD)
    newcomer.page.get_by_role("button", name="Sign in", exact=True).click()
    newcomer.page.wait_for_url(newcomer.base + "/")
    expect(newcomer.page.get_by_role("banner")).to_contain_text("Nora")

    admin.open("/people?q=nora").get_by_role("link", name="Nora").click()
    page.get_by_role("button", name="Disable this account").click()
    expect(page.get_by_role("main")).to_contain_text("Disabled")
    newcomer.open("/history")
    assert "/accounts/login/" in newcomer.page.url
    page.get_by_role("button", name="Let them in again").click()
    expect(page.get_by_role("button", name="Disable this account")).to_be_visible()
    assert admin.complaints == newcomer.complaints == []


def test_an_auditor_follows_an_image_and_takes_the_proof_away(
    visit: Visiting, working: None, model: object, alice: User, photo_file: Path, tmp_path: Path
) -> None:
    journalist, auditor = visit(), visit()
    journalist.sign_in(alice)
    path = _submit(journalist, photo_file)
    eve = User.objects.create_user("eve@example.org", PASSWORD, is_auditor=True)
    auditor.sign_in(eve)
    assert _is_hidden(auditor, path)
    page = auditor.open("/audit?action=submission.accepted")
    expect(page.locator(".event")).to_have_count(1)
    page.locator(".event a").first.click()
    expect(page.get_by_role("main")).to_contain_text("Verdict given")
    auditor.open(f"/audit?person={alice.email}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export with proof").click()
    folder = tmp_path / "export"
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(folder)
    checked = subprocess.run(
        [sys.executable, "-I", folder / "verify.py"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
