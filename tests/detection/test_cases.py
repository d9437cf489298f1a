"""Images go into cases knowingly, and out of them with whatever takes them away."""

import json

import pytest
from django.db import IntegrityError, transaction

from accounts.models import AuditEvent
from accounts.trail import life_of
from detection.errors import Refused
from detection.models import Case, CaseImage, CaseMember, CaseTag, Detection, Image, Submission
from detection.services import case_people, cases, custody
from detection.services.case_summary import case_summary, outcome_counts
from detection.services.erasure import erase_image
from detection.tags import normalised
from tests.factories import detection_row, done_row, image_row, submitted

pytestmark = pytest.mark.django_db
EDITOR, READER = CaseMember.Role.EDITOR, CaseMember.Role.READER


@pytest.fixture
def case(alice) -> Case:
    return cases.create(by=alice, title="Flood", tags=["Flood", " flood ", "North Sea"])


def actions(case: Case) -> list[str]:
    events = AuditEvent.objects.filter(target_type="case", target_id=str(case.pk))
    return list(events.order_by("pk").values_list("action", flat=True))


def joined(case, person, role=EDITOR) -> None:
    case_people.add_person(
        by=case.owner, case=case, who=person.email, role=role, shares_confidential=True
    )


def test_tags_are_comparable():
    assert normalised("  Election,ELECTION ، #مصر;  two   words ") == [
        "election",
        "two words",
        "مصر",
    ]


@pytest.mark.parametrize("typed", ["x" * 41, ",".join(map(str, range(21)))])
def test_too_many_or_too_long_tags_are_refused(typed):
    with pytest.raises(ValueError, match="at most"):
        normalised(typed)


def test_it_begins_with_one_event_and_its_tags_once(case):
    assert [tag.name for tag in case.tags.all()] == ["flood", "north sea"]
    assert actions(case) == ["case.created"]


def test_an_image_goes_in_once(case, alice):
    image = image_row(alice)
    assert cases.add_images(by=alice, case=case, images=[image, image]) == 1
    assert cases.add_images(by=alice, case=case, images=[image]) == 0
    assert actions(case) == ["case.created", "case.image_added"]
    with pytest.raises(IntegrityError), transaction.atomic():
        CaseImage.objects.create(case=case, image=image)


def test_an_entry_says_whose_the_image_is(case, alice, carol):
    image = image_row(alice)
    cases.add_images(
        by=carol, case=Case.objects.create(owner=carol, title="of hers"), images=[image]
    )
    assert CaseImage.objects.get(image=image).image_owner == alice


def test_confidential_images_go_in_by_their_owners_word_alone(case, alice, bob, carol):
    hidden = image_row(alice, is_confidential=True)
    with pytest.raises(Refused) as refusal:
        cases.add_images(by=alice, case=case, images=[image_row(alice), hidden])
    assert refusal.value.code == "confidential_unconfirmed"
    assert not case.images.exists()
    assert cases.add_images(by=alice, case=case, images=[hidden], shares_confidential=True) == 1


def test_nobody_carries_an_image_from_one_case_to_another(case, alice, bob):
    image = image_row(alice)
    cases.add_images(by=alice, case=case, images=[image])
    joined(case, bob)
    other = cases.create(by=bob, title="Mine")
    for change in (
        lambda: cases.add_images(by=bob, case=other, images=[image]),
        lambda: cases.move_image(by=bob, image=image, source=case, target=other),
    ):
        with pytest.raises(Refused) as refusal:
            change()
        assert refusal.value.code == "not_yours_to_share"
    assert list(case.images.all()) == [image]


def test_a_moderator_adds_what_is_not_confidential(alice, carol):
    mine = cases.create(by=carol, title="Review")
    assert cases.add_images(by=carol, case=mine, images=[image_row(alice)]) == 1
    hidden = image_row(alice, is_confidential=True)
    with pytest.raises(Refused):
        cases.add_images(by=carol, case=mine, images=[hidden], shares_confidential=True)


def test_making_an_image_confidential_takes_it_where_its_owner_did_not_put_it(alice, bob, carol):
    image = image_row(alice)
    theirs, own = cases.create(by=carol, title="Theirs"), cases.create(by=alice, title="Own")
    cases.add_images(by=carol, case=theirs, images=[image])
    cases.add_images(by=alice, case=own, images=[image])
    custody.set_confidential(by=alice, image=image, is_confidential=True)
    assert list(Case.objects.filter(images=image)) == [own]
    assert actions(theirs)[-1] == "case.image_removed"
    assert not Image.objects.visible_to(carol).exists()


@pytest.mark.parametrize("is_reader", [True, False])
def test_readers_and_closed_cases_take_nothing(case, alice, bob, is_reader):
    joined(case, bob, READER if is_reader else EDITOR)
    if not is_reader:
        cases.close(by=alice, case=case)
    with pytest.raises(Refused) as refusal:
        cases.add_images(by=bob, case=case, images=[image_row(bob)])
    assert refusal.value.code == ("case_not_yours_to_change" if is_reader else "case_closed")
    with pytest.raises(Refused):
        cases.edit(by=bob, case=case, seen_version=1, title="x")


def test_an_owner_takes_an_image_out_of_a_closed_case(case, alice, bob):
    joined(case, bob)
    image = image_row(bob)
    cases.add_images(by=bob, case=case, images=[image])
    cases.close(by=alice, case=case)
    with pytest.raises(Refused):
        cases.remove_image(by=alice, case=case, image=image)
    assert cases.remove_image(by=bob, case=case, image=image)


def test_an_image_moves_with_two_events(case, alice):
    other, image = cases.create(by=alice, title="Storm"), image_row(alice)
    cases.add_images(by=alice, case=case, images=[image])
    cases.move_image(by=alice, image=image, source=case, target=other)
    assert list(Case.objects.filter(images=image)) == [other]
    assert (actions(case)[-1], actions(other)[-1]) == ("case.image_removed", "case.image_added")


def test_the_later_of_two_tabs_overwrites_nothing(case, alice):
    cases.edit(by=alice, case=case, seen_version=1, title="First")
    with pytest.raises(Refused) as refusal:
        cases.edit(by=alice, case=case, seen_version=1, title="Second")
    assert refusal.value.code == "case_changed_meanwhile"
    case.refresh_from_db()
    assert (case.title, case.version) == ("First", 2)


def test_only_the_owner_closes_and_opens(case, alice, bob):
    joined(case, bob)
    with pytest.raises(Refused):
        cases.close(by=bob, case=case)
    assert cases.close(by=alice, case=case)
    assert not cases.close(by=alice, case=case)
    assert cases.reopen(by=alice, case=case)
    assert actions(case)[-2:] == ["case.closed", "case.reopened"]


def test_an_erased_image_leaves_a_line_in_the_history(case, alice):
    image = image_row(alice)
    cases.add_images(by=alice, case=case, images=[image])
    erase_image(by=alice, image=image)
    assert not case.images.exists()
    event = AuditEvent.objects.get(action="case.image_removed")
    assert event.target_id == str(case.pk)
    assert json.loads(event.change)["after"]["because"] == "erased"


def test_a_submission_goes_straight_into_a_case(case, alice, model_version):
    row = submitted(alice, case=str(case.pk), is_confidential=True)
    assert row.case == case
    assert list(case.images.all()) == [row.image]
    assert submitted(alice, case=str(case.pk)).case == case
    assert actions(case) == ["case.created", "case.image_added"]


@pytest.mark.parametrize("what", ["stranger", "reader", "closed", "nonsense", "missing"])
def test_a_submission_into_anothers_case_keeps_nothing(case, alice, bob, model_version, what):
    if what == "reader":
        joined(case, bob, READER)
    if what == "closed":
        joined(case, bob)
        cases.close(by=alice, case=case)
    names = {"nonsense": "x", "missing": "0" * 32}
    with pytest.raises(Refused) as refusal:
        submitted(bob, case=names.get(what, str(case.pk)))
    assert refusal.value.code == "case_unavailable"
    assert not Submission.objects.exists()
    assert not Image.objects.exists()


def test_its_life_is_its_own_and_that_of_what_was_submitted_into_it(case, alice, model_version):
    row = submitted(alice, case=str(case.pk))
    found = set(life_of("case", str(case.pk)).values_list("target_type", "target_id"))
    assert found == {("case", str(case.pk)), ("submission", str(row.pk))}


def test_the_newest_detection_counts(case, alice, model_version):
    judged, waiting = done_row(alice, model_version), detection_row(alice, model_version)
    cases.add_images(by=alice, case=case, images=[judged.image, waiting.image])
    assert outcome_counts([case.pk])[case.pk] == {"likely_authentic": 1, "queued": 1}


def test_a_summary_is_for_those_who_belong_to_it(case, alice, carol, model_version):
    cases.add_images(by=alice, case=case, images=[done_row(alice, model_version).image])
    found = case_summary(case, alice)
    assert (found.image_count, len(found.entries), found.tags) == (1, 1, ["flood", "north sea"])
    assert found.entries[0].detection == Detection.objects.get()
    with pytest.raises(Case.DoesNotExist):
        case_summary(case, carol)


def test_the_database_keeps_a_tag_once(case):
    with pytest.raises(IntegrityError), transaction.atomic():
        CaseTag.objects.create(case=case, name="flood")
