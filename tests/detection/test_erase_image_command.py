"""manage.py erase_image: for images that nobody sees any more."""

import json

import pytest
from django.core.management import CommandError, call_command

from accounts.erasure import erase_person
from accounts.models import AuditEvent
from detection import storage
from detection.models import Image
from detection.services import custody
from tests.factories import submitted
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db


def test_an_erased_persons_confidential_images_can_go(
    alice, bob, dora, model_version, django_capture_on_commit_callbacks
):
    images = [
        submitted(alice, jpeg_bytes(seed=seed), is_confidential=True).image for seed in (1, 2)
    ]
    kept = submitted(bob).image
    assert erase_person(by=dora, person=alice, reason="she asked")
    assert not Image.objects.visible_to(dora).filter(owner=alice).exists()
    with django_capture_on_commit_callbacks(execute=True):
        call_command("erase_image", owner=alice.pk, reason="nobody sees them")
    assert not any(storage.original_path(image.pk).exists() for image in images)
    assert set(Image.objects.filter(erased_at=None)) == {kept}
    events = AuditEvent.objects.filter(action="image.erased")
    assert {json.loads(event.change)["after"]["because"] for event in events} == {"command"}


def test_one_by_its_number_and_a_number_that_is_none(alice, model_version):
    first, second = (submitted(alice, jpeg_bytes(seed=seed)).image for seed in (1, 2))
    call_command("erase_image", image=str(first.pk), reason="x")
    assert set(Image.objects.filter(erased_at=None)) == {second}
    for wrong in (str(first.pk), "12", "x"):
        with pytest.raises(CommandError):
            call_command("erase_image", image=wrong, reason="x")


def test_what_is_on_hold_stays_and_is_said(alice, carol, model_version):
    image = submitted(alice).image
    custody.hold(by=carol, image=image, reason="court")
    with pytest.raises(CommandError, match="hold"):
        call_command("erase_image", owner=alice.pk, reason="x")
    assert Image.objects.filter(erased_at=None).exists()
