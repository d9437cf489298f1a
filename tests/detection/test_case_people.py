"""The owner decides who belongs to a case; whoever goes sees nothing more of it."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.erasure import erase_person
from accounts.models import AuditEvent, User
from accounts.people import disable
from detection.errors import Refused
from detection.models import Case, CaseMember, CaseNoteVersion, Image, Notice
from detection.services import case_notes, case_people, cases
from tests.conftest import PASSWORD
from tests.detection.test_cases import EDITOR, READER, actions, joined
from tests.factories import image_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(alice) -> Case:
    return cases.create(by=alice, title="Flood")


def refused(change) -> str:
    with pytest.raises(Refused) as refusal:
        change()
    return refusal.value.code


def add(case, by, who, role=EDITOR, **more):
    return case_people.add_person(by=by, case=case, who=who, role=role, **more)


def test_somebody_is_added_by_their_address_once(case, alice, bob):
    assert add(case, alice, " BOB@example.org ")
    assert not add(case, alice, "bob@example.org", READER)
    assert case.role_of(bob) == EDITOR
    assert actions(case) == ["case.created", "case.shared"]
    with pytest.raises(IntegrityError), transaction.atomic():
        CaseMember.objects.create(case=case, user=bob)


def test_whoever_is_added_is_told_in_the_same_transaction(case, alice, bob, settings):
    settings.HAS_MAIL = True
    with transaction.atomic():
        add(case, alice, bob.email)
        transaction.set_rollback(True)
    assert not Notice.objects.exists()
    add(case, alice, bob.email)
    assert not add(case, alice, bob.email)
    assert not add(case, alice, alice.email)
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.case) == (bob, "case_shared", case)
    assert notice.about == {"role": EDITOR}
    assert notice.mail_due_at is not None


def told(person: User) -> list[tuple[str, str]]:
    """The role that each notice says somebody had and has, the newest first."""
    rows = Notice.objects.filter(user=person).order_by("-created_at")
    return [(row.about.get("was", ""), row.about["role"]) for row in rows]


def test_whose_role_is_changed_is_told_what_it_is_by_now(case, alice, bob):
    add(case, alice, bob.email)
    assert told(bob) == [("", EDITOR)]
    case_people.change_role(by=alice, case=case, person=bob, role=READER)
    assert not case_people.change_role(by=alice, case=case, person=bob, role=READER)
    assert told(bob) == [(EDITOR, READER)]
    Notice.objects.update(seen_at=timezone.now())
    case_people.change_role(by=alice, case=case, person=bob, role=EDITOR)
    assert told(bob) == [(READER, EDITOR), (EDITOR, READER)]
    assert told(alice) == []


def test_who_is_given_a_case_is_told_and_who_takes_one_is_not(case, alice, bob):
    joined(case, bob)
    case_people.transfer(by=alice, case=case, person=bob)
    assert told(bob) == [(EDITOR, "owner")]
    User.objects.filter(pk=bob.pk).update(is_active=False)
    case_people.take_over(by=alice, case=Case.objects.get(pk=case.pk))
    assert told(alice) == []


def test_who_inherits_a_case_is_told(case, alice, bob, dora):
    joined(case, bob)
    erase_person(by=dora, person=alice, reason="asked")
    assert told(bob) == [(EDITOR, "owner")]


@pytest.mark.parametrize(("has_mail", "wants_mail"), [(False, True), (True, False)])
def test_it_stands_on_the_page_alone_where_no_mail_is_wanted(
    case, alice, bob, settings, has_mail, wants_mail
):
    settings.HAS_MAIL = has_mail
    User.objects.filter(pk=bob.pk).update(wants_mail=wants_mail)
    add(case, alice, bob.email)
    assert Notice.objects.visible_to(bob).get().mail_due_at is None


def test_names_are_those_of_people_one_knows(case, alice, bob):
    User.objects.filter(pk=bob.pk).update(name="Bob Baker")
    assert refused(lambda: add(case, alice, "Bob Baker")) == "person_unknown"
    joined(cases.create(by=alice, title="Other"), bob)
    assert add(case, alice, "bob baker")


def test_who_is_not_there_is_one_answer(case, alice, bob):
    User.objects.filter(pk=bob.pk).update(is_active=False)
    for who in ("bob@example.org", "nobody@example.org", "bob", "", "@"):
        assert refused(lambda who=who: add(case, alice, who)) == "person_unknown"


def test_addresses_are_not_tried_for_ever(case, alice, bob, monkeypatch):
    monkeypatch.setattr(case_people, "GUESSES", case_people.Limit(2, per_s=60))
    for who in ("a@example.org", "b@example.org"):
        assert refused(lambda who=who: add(case, alice, who)) == "person_unknown"
    assert refused(lambda: add(case, alice, "bob@example.org")) == "too_many_guesses"


def test_confidential_images_are_shown_to_more_people_knowingly(case, alice, bob):
    hidden = image_row(alice, is_confidential=True)
    cases.add_images(by=alice, case=case, images=[hidden], shares_confidential=True)
    assert refused(lambda: add(case, alice, bob.email)) == "confidential_unconfirmed"
    assert add(case, alice, bob.email, shares_confidential=True)
    assert list(Image.objects.visible_to(bob)) == [hidden]


def test_only_the_owner_manages_people(case, alice, bob, carol):
    joined(case, bob)
    joined(case, carol, READER)
    for change in (
        lambda: add(case, bob, "dora@example.org"),
        lambda: case_people.remove_person(by=bob, case=case, person=carol),
        lambda: case_people.change_role(by=carol, case=case, person=carol, role=EDITOR),
        lambda: case_people.transfer(by=bob, case=case, person=bob),
        lambda: case_people.take_over(by=bob, case=case),
    ):
        assert refused(change) in {"case_owner_only", "person_unknown"}
    assert refused(lambda: case_people.leave(by=alice, case=case)) == "person_not_in_case"


def test_whoever_is_removed_sees_nothing_and_takes_their_confidential_images(case, alice, bob):
    joined(case, bob)
    mine = image_row(alice)
    theirs, hidden = image_row(bob), image_row(bob, is_confidential=True)
    cases.add_images(by=alice, case=case, images=[mine])
    cases.add_images(by=bob, case=case, images=[theirs, hidden], shares_confidential=True)
    case_people.remove_person(by=alice, case=case, person=bob)
    assert set(Image.objects.visible_to(bob)) == {theirs, hidden}
    assert set(case.images.all()) == {mine, theirs}
    assert not Case.objects.visible_to(bob).exists()
    assert set(actions(case)[-2:]) == {"case.unshared", "case.image_removed"}


def test_a_role_changes_with_an_event(case, alice, bob):
    joined(case, bob, READER)
    assert case_people.change_role(by=alice, case=case, person=bob, role=EDITOR)
    assert not case_people.change_role(by=alice, case=case, person=bob, role=EDITOR)
    assert case.role_of(bob) == EDITOR
    assert actions(case)[-1] == "case.role_changed"


def test_a_case_is_handed_over(case, alice, bob):
    joined(case, bob)
    case_people.transfer(by=alice, case=case, person=bob)
    case.refresh_from_db()
    assert (case.owner, case.role_of(alice), case.members.count()) == (bob, EDITOR, 1)
    assert actions(case)[-1] == "case.transferred"


def test_the_case_of_a_disabled_owner_is_taken_over_by_who_works_on_it(
    case, alice, bob, carol, dora
):
    joined(case, bob)
    joined(case, carol, READER)
    disable(by=dora, person=alice)
    assert refused(lambda: case_people.take_over(by=carol, case=case)) == "case_owner_only"
    case_people.take_over(by=bob, case=case)
    case.refresh_from_db()
    assert case.owner == bob


def test_the_case_of_an_erased_owner_goes_to_who_works_on_it(case, alice, bob, carol, dora):
    joined(case, carol, READER)
    joined(case, bob)
    note = case_notes.add_note(by=alice, case=case, text="Alice was here")
    erase_person(by=dora, person=alice, reason="asked")
    case.refresh_from_db()
    assert (case.owner, case.title, case.closed_at) == (bob, "Flood", None)
    assert list(case.members.values_list("user", flat=True)) == [carol.pk]
    assert CaseNoteVersion.objects.get(note=note).text == ""
    assert actions(case)[-1] == "case.transferred"


def test_the_case_of_an_erased_owner_alone_is_closed_without_words(alice, dora):
    case = cases.create(by=alice, title="Alice’s", description="by Alice", tags=["alice"])
    erase_person(by=dora, person=alice, reason="asked")
    case.refresh_from_db()
    assert (case.title, case.description, case.tags.count()) == ("–", "", 0)
    assert case.closed_at is not None
    assert actions(case)[-1] == "case.closed"


def test_an_erased_person_leaves_every_case(case, alice, bob, dora):
    joined(case, bob)
    case_notes.add_note(by=bob, case=case, text="Bob was here")
    erase_person(by=dora, person=bob, reason="asked")
    assert not case.members.exists()
    assert case.notes.get().author == bob
    assert not CaseNoteVersion.objects.exclude(text="").exists()
    assert AuditEvent.objects.filter(action="case.left").exists()


def test_confidential_images_of_an_erased_owner_leave_the_case_that_is_handed_over(
    case, alice, bob, dora
):
    joined(case, bob)
    open_one, hidden = image_row(alice), image_row(alice, is_confidential=True)
    cases.add_images(by=alice, case=case, images=[open_one, hidden], shares_confidential=True)
    erase_person(by=dora, person=alice, reason="asked")
    assert set(Image.objects.visible_to(bob)) == {open_one}
    assert actions(case)[-2:] == ["case.image_removed", "case.transferred"]


def test_confidential_images_of_an_erased_person_leave_with_them(case, alice, bob, dora):
    joined(case, bob)
    open_one, hidden = image_row(bob), image_row(bob, is_confidential=True)
    kept = image_row(alice, is_confidential=True)
    cases.add_images(by=bob, case=case, images=[open_one, hidden], shares_confidential=True)
    cases.add_images(by=alice, case=case, images=[kept], shares_confidential=True)
    erase_person(by=dora, person=bob, reason="asked")
    assert set(case.images.all()) == {open_one, kept}
    assert set(Image.objects.visible_to(alice)) == {open_one, kept}
    assert actions(case)[-2:] == ["case.left", "case.image_removed"]


def test_an_invited_colleague_may_be_added(case, alice):
    User.objects.create_user("new@example.org", PASSWORD)
    assert add(case, alice, "new@example.org", READER)
