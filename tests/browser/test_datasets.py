"""An administrator uploads labelled images and watches them come in, with and without script."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from detection.models import Dataset, DatasetImport
from detection.services import dataset_imports
from tests import archives
from tests.browser.conftest import Visiting

pytestmark = pytest.mark.browser


@pytest.fixture
def importing() -> Iterator[threading.Event]:
    """A stand-in for the bulk worker, which begins when it is told."""
    begin, stop = threading.Event(), threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            if begin.is_set():
                for pk in DatasetImport.objects.filter(status="queued").values_list("pk"):
                    dataset_imports.work(pk[0], worker="test:1:1", seconds=0)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield begin
    stop.set()
    thread.join()


@pytest.mark.parametrize("scripted", [True, False])
def test_a_zip_is_imported_frozen_and_looked_at(
    scripted: bool,
    visit: Visiting,
    model: object,
    dora: User,
    importing: threading.Event,
    tmp_path: Path,
) -> None:
    file = tmp_path / "portraits.zip"
    file.write_bytes(archives.zip_bytes(archives.labelled(24) | {"Real/broken.jpg": b"none"}))
    visiting = visit(java_script_enabled=scripted)
    visiting.sign_in(dora)
    page = visiting.open(reverse("datasets"))
    form = page.get_by_role("region", name="Make a dataset")
    form.get_by_label("Name").fill("Portraits")
    form.get_by_label("Licence").fill("CC BY 4.0")
    form.get_by_role("button", name="Make the dataset").click()
    page.get_by_label("ZIP file").set_input_files(file)
    page.get_by_role("button", name="Upload and import").click()
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    importing.set()
    for _ in range(0 if scripted else 60):
        if page.get_by_text("Done", exact=True).is_visible():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(page.get_by_text("Done", exact=True)).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="cannot be decoded").click()
    expect(page.get_by_text("Real/broken.jpg")).to_be_visible()
    page.get_by_role("link", name="Portraits").click()
    expect(page.get_by_text("24 images added")).to_be_visible()
    page.get_by_role("link", name="Labelled data").first.click()
    form = page.get_by_role("region", name="Freeze a snapshot")
    form.get_by_label("Name").fill("First")
    form.get_by_label("Portraits").check()
    form.get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("heading", name="First")).to_be_visible()
    assert Dataset.objects.get().snapshots.get().images.count() == 24
    assert visiting.complaints == []
