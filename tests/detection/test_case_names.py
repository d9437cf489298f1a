"""A second case of a name is made where it is wanted alone."""

import pytest

from detection.models import Case, Image
from detection.services import cases
from tests.factories import done_row
from tests.review_desk import text_of

pytestmark = pytest.mark.django_db


def test_a_second_case_of_a_name_is_made_where_it_is_wanted_alone(alice, client_of):
    browser = client_of(alice)
    first = cases.create(by=alice, title="Élection 2027")
    form = {"title": "  éLECTION  2027 ", "description": "Typed <b>", "tags": "vote"}
    answer = browser.post("/cases/new", form)
    assert answer.status_code == 409
    assert Case.objects.get() == first
    assert "has this name already" in text_of(answer)
    html = answer.content.decode()
    assert f'<a href="/cases/{first.pk}"><bdi>Élection 2027</bdi></a>' in html
    assert "Typed &lt;b&gt;" in html
    assert 'name="anyway"' in html
    assert browser.post("/cases/new", {**form, "anyway": "1"}).status_code == 302
    assert Case.objects.count() == 2
    assert "2 cases" in text_of(browser.post("/cases/new", form))
    assert browser.post("/cases/new", {**form, "title": "Election 2028"}).status_code == 302


def test_from_an_image_too_a_second_case_of_a_name_is_asked_about(alice, model_version, client_of):
    image = done_row(alice, model_version).image
    browser, page = client_of(alice), f"/images/{image.pk}/cases"
    mine = cases.create(by=alice, title="Harbour fire")
    closed = cases.create(by=alice, title="harbour  FIRE")
    cases.close(by=alice, case=closed)
    form = {"action": "add", "title": " Harbour Fire "}
    answer = browser.post(page, form)
    assert answer.status_code == 409
    assert not image.case_entries.exists()
    assert "2 cases that you belong to have this name already" in text_of(answer)
    html = answer.content.decode()
    assert f'name="case" value="{mine.pk}"' in html
    assert f'name="case" value="{closed.pk}"' not in html
    assert browser.post(page, {"action": "add", "case": str(mine.pk)}).status_code == 302
    assert mine.entries.get().image == image
    again = browser.post(page, form)
    assert f'name="case" value="{mine.pk}"' not in again.content.decode()
    assert "This image is in it." in text_of(again)
    assert "This image is in it." not in text_of(answer)
    assert browser.post(page, {**form, "anyway": "1"}).status_code == 302
    assert Case.objects.filter(title="Harbour Fire").get().entries.get().image == image


def test_who_let_a_new_case_see_a_confidential_image_let_no_other(alice, model_version, client_of):
    image = done_row(alice, model_version).image
    Image.objects.filter(pk=image.pk).update(is_confidential=True)
    other = cases.create(by=alice, title="Harbour fire")
    form = {"action": "add", "title": "Harbour fire", "confidential": "1"}
    html = client_of(alice).post(f"/images/{image.pk}/cases", form).content.decode()
    old, new = html.split(f'value="{other.pk}"')[1].split("</form>")[:2]
    assert 'type="checkbox"' in old
    assert 'type="hidden" name="confidential"' not in old
    assert 'type="hidden" name="confidential"' in new
