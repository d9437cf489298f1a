"""Verify as a person meets it: choose, drop, paste, cancel, and without script."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from detection.models import Detection, ResumableUpload, Submission
from tests import images
from tests.browser.conftest import Visiting

pytestmark = pytest.mark.browser

DROP = """({ name, bytes, kind }) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
    : new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
  document.body.dispatchEvent(event);
}"""


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[str]]:
    """Writes files by name and returns their paths."""

    def write(**contents: bytes) -> list[str]:
        paths = []
        for name, content in contents.items():
            path = tmp_path / name.replace("_", ".")
            path.write_bytes(content)
            paths.append(str(path))
        return paths

    return write


@pytest.fixture
def page(visit: Visiting, model: object, alice: User) -> Page:
    visiting = visit()
    visiting.sign_in(alice)
    return visiting.page


@pytest.mark.usefixtures("working")
def test_chosen_images_get_their_verdicts_in_place(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.set_input_files(
        "#image",
        files(a_jpg=images.jpeg_bytes(seed=1), b_png=images.png_bytes(), c_jpg=images.text_bytes()),
    )
    expect(page.locator("[data-finished=yes]")).to_have_count(2)
    row = page.locator(".row", has_text="a.jpg")
    expect(row).to_contain_text("Likely manipulated")
    expect(row).to_contain_text("95 %")
    expect(page.locator(".row", has_text="c.jpg")).to_contain_text("not a photograph this desk can")
    row.get_by_role("link", name="Details").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("a.jpg")


def test_images_chosen_before_the_script_has_arrived_are_not_lost(
    page: Page, files: Callable[..., list[str]]
) -> None:
    held: list[Route] = []
    page.route("**/js/verify.js", lambda route: held.append(route))  # noqa: PLW0108
    with page.expect_request("**/js/verify.js"):
        page.goto(page.url, wait_until="commit")
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    held[0].continue_()
    expect(page.locator(".row")).to_contain_text("received, being checked")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_dropped_and_pasted_images_are_submitted(page: Page, kind: str) -> None:
    page.evaluate(DROP, {"name": "moved.jpg", "bytes": list(images.jpeg_bytes()), "kind": kind})
    expect(page.locator(".row")).to_contain_text("received, being checked")
    assert Submission.objects.get().file_name == "moved.jpg"


def test_more_images_than_are_sent_at_once_all_arrive(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.set_input_files(
        "#image", files(**{f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(8)})
    )
    expect(page.get_by_text("received, being checked")).to_have_count(8)
    assert Detection.objects.count() == 8


def test_an_upload_on_its_way_can_be_cancelled(page: Page, files: Callable[..., list[str]]) -> None:
    page.route("**/api/v1/detections", lambda route: None)  # never answered
    page.set_input_files(
        "#image", files(**{f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(4)})
    )
    last = page.locator(".row", has_text="p3.jpg")
    expect(last).to_contain_text("waiting for its turn")
    last.get_by_role("button", name="Cancel").click()
    expect(last).to_contain_text("Cancelled. Nothing was stored.")
    assert not Submission.objects.exists()


def test_a_file_that_would_be_refused_is_not_even_sent(
    visit: Visiting, model: object, alice: User, files: Callable[..., list[str]], settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    visiting = visit()
    visiting.sign_in(alice)
    page, sent = visiting.page, []
    page.on("request", lambda request: sent.append(request.method))
    page.set_input_files("#image", files(empty_jpg=b"", large_jpg=bytes(1024 * 1024 + 1)))
    expect(page.locator(".row", has_text="empty.jpg")).to_contain_text("it has no bytes")
    expect(page.locator(".row", has_text="large.jpg")).to_contain_text("larger than 1 MB")
    assert "POST" not in sent


def test_a_broken_connection_is_told_and_can_be_tried_again(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.route("**/api/v1/detections", lambda route: route.abort())
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    row = page.locator(".row")
    expect(row).to_contain_text("The connection broke")
    page.unroute("**/api/v1/detections")
    row.get_by_role("button", name="Try again").click()
    expect(row).to_contain_text("received, being checked")


# A folder as browsers hand it over: entries that are asked for their files.
DROP_FOLDER = """(files) => {
  const fileEntry = ({ path, bytes, type }) => ({
    isFile: true, isDirectory: false, fullPath: path,
    file: (done, fail) => (bytes
      ? done(new File([new Uint8Array(bytes)], path.split("/").pop(), { type }))
      : fail(new Error("gone"))),
  });
  const folder = (children) => ({
    isFile: false, isDirectory: true,
    createReader: () => {
      const parts = [children.slice(0, 1), children.slice(1)].filter((part) => part.length);
      return { readEntries: (done) => done(parts.shift() ?? []) };
    },
  });
  const entry = folder([folder(files.map(fileEntry))]);
  const event = new DragEvent("drop", { bubbles: true, cancelable: true });
  Object.defineProperty(event, "dataTransfer", {
    value: { types: ["Files"], files: [], items: [{ webkitGetAsEntry: () => entry }] },
  });
  document.body.dispatchEvent(event);
}"""


def test_a_dropped_folder_brings_its_images_under_its_names(page: Page) -> None:
    photo = list(images.jpeg_bytes())
    page.evaluate(
        DROP_FOLDER,
        [
            {"path": "/trip/day 1/a.jpg", "bytes": photo, "type": "image/jpeg"},
            {"path": "/trip/day 1/notes.txt", "bytes": [65], "type": "text/plain"},
            {"path": "/trip/day 1/.DS_Store", "bytes": [65], "type": ""},
            {"path": "/trip/day 1/lost.jpg", "bytes": None, "type": "image/jpeg"},
            {"path": "/trip/day 1/b.jpg", "bytes": list(images.jpeg_bytes(seed=2)), "type": ""},
        ],
    )
    expect(page.get_by_text("received, being checked")).to_have_count(2)
    expect(page.locator("[data-total]")).to_have_text("0 of 2 judged, 2 left out, not images")
    names = Submission.objects.order_by("file_name").values_list("file_name", flat=True)
    assert list(names) == ["trip › day 1 › a.jpg", "trip › day 1 › b.jpg"]


def test_a_chosen_folder_brings_its_images_under_its_names(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "trip"
    (folder / "day <b>1").mkdir(parents=True)
    (folder / "day <b>1" / "a.jpg").write_bytes(images.jpeg_bytes())
    (folder / "readme.md").write_text("no image")
    page.set_input_files("[data-folder]", folder)
    expect(page.locator(".row")).to_contain_text("received, being checked")
    expect(page.locator(".row bdi[data-name]")).to_have_text("trip › day <b>1 › a.jpg")
    expect(page.locator("[data-total]")).to_have_text("0 of 1 judged, 1 left out, not images")
    assert Submission.objects.get().file_name == "trip › day <b>1 › a.jpg"


@pytest.mark.usefixtures("working")
def test_a_hundred_files_with_bad_ones_among_them_all_end(
    page: Page, files: Callable[..., list[str]]
) -> None:
    good = {f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(94)}
    bad = {f"bad{n}_jpg": images.text_bytes() for n in range(4)}
    page.set_input_files("#image", files(**good, **bad, empty1_jpg=b"", empty2_jpg=b""))
    total = page.locator("[data-total]")
    expect(total).to_have_text("94 of 100 judged, 6 refused", timeout=120_000)
    expect(page.locator("[data-announce]")).to_have_text("94 of 100 judged, 6 refused")
    expect(page.locator("[data-total-bar]")).to_be_hidden()
    page.get_by_role("button", name="6 Refused or not sent").click()
    expect(page.locator(".row:visible")).to_have_count(6)
    page.get_by_role("button", name="6 Refused or not sent").click()
    expect(page.locator(".row:visible")).to_have_count(100)
    assert Detection.objects.filter(status=Detection.Status.DONE).count() == 94


def test_what_could_not_be_judged_does_not_count_as_judged(
    page: Page, files: Callable[..., list[str]], judge: Callable[..., None]
) -> None:
    photos = {f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(7)}
    page.set_input_files("#image", files(**photos, bad_jpg=images.text_bytes()))
    expect(page.get_by_text("received, being checked")).to_have_count(7)
    failed, *others = Detection.objects.all()
    claimed = Detection.objects.claim(failed.pk, worker="test:1:1")
    assert claimed is not None
    assert claimed.fail("corrupt")
    for row in others:
        judge(row, 0.95, Detection.Verdict.LIKELY_MANIPULATED)
    words = "6 of 8 judged, 1 could not be judged, 1 refused"
    expect(page.locator("[data-total]")).to_have_text(words, timeout=20_000)
    expect(page.locator("[data-announce]")).to_have_text(words)


def test_only_a_few_are_sent_at_once(page: Page, files: Callable[..., list[str]]) -> None:
    held: list[Route] = []
    page.route("**/api/v1/detections", lambda route: held.append(route))  # noqa: PLW0108
    page.set_input_files(
        "#image", files(**{f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(9)})
    )
    expect(page.get_by_text("waiting for its turn")).to_have_count(6)
    assert len(held) == 3
    held[0].continue_()
    expect(page.get_by_text("waiting for its turn")).to_have_count(5)


def test_what_is_left_can_be_cancelled_together(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.route("**/api/v1/detections", lambda route: None)  # never answered
    page.set_input_files(
        "#image", files(**{f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(8)})
    )
    page.get_by_role("button", name="Cancel what is left").click()
    expect(page.locator("[data-total]")).to_contain_text("cancelled")
    expect(page.get_by_text("waiting for its turn")).to_have_count(0)
    assert not Submission.objects.exists()


def test_what_could_not_be_sent_is_tried_again_together(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.route("**/api/v1/detections", lambda route: route.abort())
    page.set_input_files(
        "#image", files(**{f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(3)})
    )
    expect(page.locator("[data-total]")).to_have_text("0 of 3 judged, 3 not sent")
    page.unroute("**/api/v1/detections")
    page.get_by_role("button", name="Try all again").click()
    expect(page.get_by_text("received, being checked")).to_have_count(3)


def test_the_focus_stays_with_the_row_that_was_cancelled(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.route("**/api/v1/detections", lambda route: None)
    page.set_input_files(
        "#image", files(**{f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(4)})
    )
    last = page.locator(".row", has_text="p3.jpg")
    last.get_by_role("button", name="Cancel: p3.jpg").focus()
    page.keyboard.press("Enter")
    expect(last.get_by_role("button", name="Try again: p3.jpg")).to_be_focused()
    expect(page.locator("[data-announce]")).to_have_text("p3.jpg: Cancelled. Nothing was stored.")


def test_a_desk_that_is_asked_too_often_is_given_time(
    page: Page, files: Callable[..., list[str]]
) -> None:
    asked: list[str] = []

    def refuse_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(status=429, headers={"Retry-After": "1"}, body="{}")
        else:
            route.continue_()

    page.route("**/api/v1/detections", refuse_once)
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    expect(page.locator(".row")).to_contain_text("received, being checked")
    assert len(asked) == 2


def test_leaving_warns_only_while_bytes_are_still_to_be_sent(
    visit: Visiting, model: object, alice: User, files: Callable[..., list[str]]
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.page
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    expect(page.locator(".row")).to_contain_text("received, being checked")
    page.reload()
    assert visiting.dialogs == []
    page.route("**/api/v1/detections", lambda route: None)
    page.set_input_files(
        "#image", files(**{f"p{n}_jpg": images.jpeg_bytes(seed=n) for n in range(5)})
    )
    expect(page.get_by_text("waiting for its turn").first).to_be_visible()
    page.close(run_before_unload=True)
    page.wait_for_timeout(500)  # it stays, which no event tells
    assert len(visiting.dialogs) == 1


def test_a_large_upload_goes_on_after_a_reload(page: Page, files: Callable[..., list[str]]) -> None:
    asked: list[str] = []

    def stop_after_one_piece(route: Route) -> None:
        asked.append(route.request.method)
        if asked.count("PATCH") < 2:
            route.continue_()

    page.route("**/api/v1/uploads**", stop_after_one_piece)
    (path,) = files(big_png=_noise_png())
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.set_input_files("#image", path)
    page.unroute("**/api/v1/uploads**")
    page.evaluate("() => { BeforeUnloadEvent.prototype.preventDefault = () => {}; }")
    page.goto("about:blank")
    page.go_back()
    expect(page.locator("[data-unfinished]")).to_contain_text("Interrupted uploads: 1.")
    again: list[str] = []
    page.on(
        "request",
        lambda request: again.append(request.method) if "/uploads" in request.url else None,
    )
    page.set_input_files("#image", path)
    expect(page.locator(".row")).to_contain_text("received, being checked", timeout=30_000)
    assert again[0] == "HEAD"
    assert "POST" not in again
    assert ResumableUpload.objects.count() == 1
    page.goto(page.url)
    expect(page.locator("[data-unfinished]")).to_be_hidden()


def _noise_png(size: int = 1500) -> bytes:
    """Noise does not compress: more than 5 MB, so that it is sent in pieces."""
    pixels = np.random.default_rng(5).integers(0, 256, (size, size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


@pytest.mark.usefixtures("working")
def test_a_large_file_goes_on_after_its_line_broke(
    page: Page, files: Callable[..., list[str]]
) -> None:
    sent: list[str] = []

    def third_breaks(route: Route) -> None:
        sent.append(route.request.method)
        if len(sent) == 3:
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/uploads**", third_breaks)
    page.get_by_label("Confidential").check()
    data = _noise_png()
    page.set_input_files("#image", files(big_png=data))
    expect(page.locator("[data-finished=yes]")).to_have_count(1, timeout=30_000)
    expect(page.locator(".row")).to_contain_text("Likely manipulated")
    assert sent == ["POST", "PATCH", "PATCH", "HEAD", "PATCH", "PATCH", "PATCH"]
    submission = Submission.objects.get()
    assert (submission.file_name, submission.via) == ("big.png", Submission.Via.PAGE)
    assert submission.image.sha256 == hashlib.sha256(data).hexdigest()
    assert submission.image.is_confidential


def test_a_large_upload_waits_while_there_is_no_network(
    page: Page, files: Callable[..., list[str]]
) -> None:
    def lose_the_network(route: Route) -> None:
        page.context.set_offline(True)
        route.abort()

    page.route("**/api/v1/uploads/*", lose_the_network)
    page.set_input_files("#image", files(big_png=_noise_png()))
    row = page.locator(".row")
    expect(row).to_contain_text("goes on by itself")
    page.unroute("**/api/v1/uploads/*")
    page.context.set_offline(False)
    expect(row).to_contain_text("received, being checked", timeout=30_000)


def test_a_large_upload_can_be_cancelled(page: Page, files: Callable[..., list[str]]) -> None:
    page.route(
        "**/api/v1/uploads/*",
        lambda route: route.continue_() if route.request.method == "DELETE" else None,
    )
    page.set_input_files("#image", files(big_png=_noise_png()))
    row = page.locator(".row")
    expect(row).to_contain_text("sending")
    with page.expect_response("**/api/v1/uploads/*") as ended:
        row.get_by_role("button", name="Cancel").click()
    assert ended.value.status == 204
    expect(row).to_contain_text("Cancelled. Nothing was stored.")
    assert not ResumableUpload.objects.exists()


def test_a_large_upload_cancelled_before_the_desk_answers_leaves_nothing(
    page: Page, files: Callable[..., list[str]]
) -> None:
    held: list[Route] = []
    page.route("**/api/v1/uploads", lambda route: held.append(route))  # noqa: PLW0108
    with page.expect_request("**/api/v1/uploads"):
        page.set_input_files("#image", files(big_png=_noise_png()))
    row = page.locator(".row")
    expect(row).to_contain_text("sending")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelled. Nothing was stored.")
    with page.expect_response("**/api/v1/uploads/*") as ended:
        held.pop().continue_()
    assert ended.value.status == 204
    assert not ResumableUpload.objects.exists()


def test_a_large_file_goes_as_a_whole_where_no_pieces_are_taken(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.route("**/api/v1/uploads", lambda route: route.fulfill(status=404))
    page.set_input_files("#image", files(big_png=_noise_png()))
    expect(page.locator(".row")).to_contain_text("received, being checked", timeout=30_000)
    assert Submission.objects.get().file_name == "big.png"


def test_confidential_is_sent_with_each_image(page: Page, files: Callable[..., list[str]]) -> None:
    page.get_by_label("Confidential").check()
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    expect(page.locator(".row")).to_contain_text("received, being checked")
    assert Detection.objects.get().image.is_confidential


@pytest.mark.usefixtures("working")
def test_a_sample_is_one_click_away(page: Page) -> None:
    page.get_by_role("button", name="Drawn harbour").click()
    expect(page.locator("[data-finished=yes]")).to_contain_text("Likely manipulated")
    expect(page.locator(".picture img")).to_be_visible()


def test_it_works_without_script(
    visit: Visiting,
    model: object,
    alice: User,
    files: Callable[..., list[str]],
    judge: Callable[..., None],
) -> None:
    visiting = visit(java_script_enabled=False)
    visiting.sign_in(alice)
    page = visiting.page
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    page.get_by_role("main").get_by_role("button", name="Verify", exact=True).click()
    expect(page.get_by_text("Being checked")).to_be_visible()
    judge(Detection.objects.get(), 0.05, Detection.Verdict.LIKELY_AUTHENTIC)
    expect(page.get_by_role("heading", name="Likely authentic")).to_be_visible()
    assert Submission.objects.get().via == Submission.Via.PAGE


def test_several_files_go_without_script_and_each_is_answered(
    visit: Visiting, model: object, alice: User, files: Callable[..., list[str]]
) -> None:
    visiting = visit(java_script_enabled=False)
    visiting.sign_in(alice)
    page = visiting.page
    expect(page.get_by_text("Choose a folder")).to_be_hidden()
    page.set_input_files(
        "#image",
        files(a_jpg=images.jpeg_bytes(), b_jpg=images.text_bytes(), c_png=images.png_bytes()),
    )
    page.get_by_role("main").get_by_role("button", name="Verify", exact=True).click()
    expect(page.get_by_role("link", name="See the verdict")).to_have_count(2)
    expect(page.get_by_role("alert")).to_contain_text("not a photograph this desk can read")
    assert sorted(Submission.objects.values_list("file_name", flat=True)) == ["a.jpg", "c.png"]


def test_the_page_of_a_detection_fills_in_by_itself(
    page: Page, files: Callable[..., list[str]], judge: Callable[..., None]
) -> None:
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    page.get_by_role("link", name="Details").click()
    expect(page.get_by_text("Being checked")).to_be_visible()
    judge(Detection.objects.get(), None, Detection.Verdict.INCONCLUSIVE, reasons=["too_small"])
    expect(page.get_by_role("heading", name="Cannot tell", exact=True)).to_be_visible()
    expect(page.locator(".picture img")).to_be_visible()
    expect(page).to_have_title("Cannot tell · Unmask")


@pytest.mark.usefixtures("working")
def test_looking_into_one_verdict_does_not_lose_the_others(
    page: Page, files: Callable[..., list[str]]
) -> None:
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes(seed=1), b_png=images.png_bytes()))
    expect(page.locator("[data-finished=yes]")).to_have_count(2)
    page.locator(".row", has_text="a.jpg").get_by_role("link", name="Details").click()
    page.get_by_role("link", name="Verify", exact=True).click()
    expect(page.locator("[data-finished=yes]")).to_have_count(2)
    expect(page.locator(".row", has_text="b.png").locator("img")).to_be_visible()
    expect(page.locator(".tally")).to_contain_text("2 Likely manipulated")
    page.get_by_role("button", name="Clear the list").click()
    expect(page.locator(".row")).to_have_count(0)
    page.reload()
    expect(page.locator(".row")).to_have_count(0)


@pytest.mark.usefixtures("working")
def test_the_list_does_not_outlive_the_sign_out(
    visit: Visiting, model: object, alice: User, files: Callable[..., list[str]]
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.page
    page.set_input_files("#image", files(a_jpg=images.jpeg_bytes()))
    expect(page.locator("[data-finished=yes]")).to_have_count(1)
    page.reload()
    expect(page.locator("[data-finished=yes]")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")
    visiting.sign_in(alice)  # who may see the image, so only the tab's own list is in question
    expect(page.locator("form.is-live")).to_be_visible()
    expect(page.locator(".row")).to_have_count(0)


def test_a_picture_the_browser_cannot_show_gets_ours(
    page: Page, files: Callable[..., list[str]], working: None
) -> None:
    page.set_input_files("#image", files(phone_heic=images.heic_bytes()))
    expect(page.locator("[data-finished=yes]")).to_have_count(1)
    expect(page.locator(".row img")).to_be_visible()
