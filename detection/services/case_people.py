"""Who belongs to a case. Its owner alone decides; see docs/decisions/0018."""

from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from deepfake_site.rate_limits import Limit, give_back, take
from detection.errors import Refused
from detection.models import Case, CaseImage, CaseMember, CaseNoteVersion, CaseTag
from detection.services import cases, telling
from detection.services.cases import held, record, record_all

# Whoever tries addresses learns which of them have accounts: not many an hour.
GUESSES = Limit(30, per_s=3600)
Role = CaseMember.Role


def colleagues(user: User) -> QuerySet[User]:
    """People one shares a case with already, whose names one knows from there."""
    mine = Case.objects.visible_to(user)
    known = Q(case_memberships__case__in=mine) | Q(owned_cases__in=mine)
    return User.objects.filter(known, is_active=True).exclude(pk=user.pk).distinct()


def confidential_in(case: Case) -> int:
    """How many confidential images somebody who is added would see."""
    return case.entries.filter(image__is_confidential=True).count()


def add_person(
    *, by: User, case: Case, who: str, role: str, shares_confidential: bool = False
) -> bool:
    """Let somebody into a case; False where they belong to it.

    Args:
        who: a whole e-mail address, or the name of one of `colleagues`.
    Raises:
        Refused: the case is another's or closed, nobody was found, or there are confidential
            images and nobody confirmed that they may be seen.
    """
    person = _found(by, who)
    with transaction.atomic():
        row = _owned(case, by)
        if row.closed_at:
            raise Refused("case_closed")
        if row.role_of(person):
            return False
        if not shares_confidential and confidential_in(row):
            raise Refused("confidential_unconfirmed")
        CaseMember.objects.create(case=row, user=person, role=Role(role), added_by=by)
        telling.added_to_case(row, person, role=role)
        record("case.shared", by=by, case=row, after={"person": person.pk, "role": role})
    return True


def remove_person(*, by: User, case: Case, person: User) -> None:
    """Take somebody out of a case, and with them the confidential images that are theirs.

    What they saw through the case alone they see no more from the next request on.

    Raises:
        Refused: the case is another's, or they do not belong to it.
    """
    with transaction.atomic():
        row = _owned(case, by)
        _member(row, person).delete()
        _record_departure("case.unshared", by, row, person)


def leave(*, by: User, case: Case) -> None:
    """Go oneself, as `remove_person`.

    Raises:
        Refused: one owns it, and hands it over first.
    """
    with transaction.atomic():
        row = held(case, by)
        _member(row, by).delete()
        _record_departure("case.left", by, row, by)


def change_role(*, by: User, case: Case, person: User, role: str) -> bool:
    """Say whether somebody works on a case or reads it; False where it is so already.

    Raises:
        Refused: as `remove_person`.
    """
    with transaction.atomic():
        row = _owned(case, by)
        member = _member(row, person)
        before, member.role = member.role, Role(role)
        if before == member.role:
            return False
        member.save(update_fields=["role"])
        telling.role_in_case(row, person, role=role, was=before)
        after = {"person": person.pk, "role": role, "old_role": before}
        record("case.role_changed", by=by, case=row, after=after)
    return True


def transfer(*, by: User, case: Case, person: User) -> None:
    """Hand a case over to somebody who belongs to it; its owner then works on it.

    Raises:
        Refused: the case is another's, they do not belong to it, or their account is disabled.
    """
    with transaction.atomic():
        row = _owned(case, by)
        _hand_over(row, _member(row, person), by)


def may_take_over(case: Case, user: User) -> bool:
    """Whether the owner cannot sign in any more, and nobody stands before this person."""
    heir = None if case.owner.is_active else _heirs(case).first()
    if heir is None:
        return False
    role = case.role_of(user)
    return role == Role.EDITOR or (role == Role.READER and heir.role == Role.READER)


def take_over(*, by: User, case: Case) -> None:
    """Become the owner of a case whose owner's account is disabled.

    Raises:
        Refused: it is not, or others come first.
    """
    with transaction.atomic():
        row = held(case, by)
        if not may_take_over(row, by):
            raise Refused("case_owner_only")
        _hand_over(row, _member(row, by), by)


def forget_person(person: User) -> Callable[[User | None], object]:
    """Empty what an erased person wrote and take them out of every case.

    A case of theirs goes to whoever has worked on it longest, else to whoever has read it longest;
    with nobody left it is closed and loses its words. Their notes stay as places without words, and
    their confidential images leave all cases.
    """
    CaseNoteVersion.objects.filter(note__author=person).update(text="")
    owned = [case for case in _held_of(person) if case.owner_id == person.pk]
    left = list(CaseMember.objects.filter(user=person).select_related("case__owner"))
    CaseMember.objects.filter(user=person).delete()
    withdrawn = _withdraw_confidential(CaseImage.objects.filter(image__owner=person))
    ended = [_pass_on(case) for case in owned]
    return partial(_record_forgotten, person, left, ended, withdrawn)


def _held_of(person: User) -> list[Case]:
    """Every case somebody belongs to, in which nobody changes anything meanwhile."""
    theirs = CaseMember.objects.filter(user=person).values("case")
    rows = Case.objects.filter(Q(owner=person) | Q(pk__in=theirs)).order_by("pk")
    return list(rows.select_for_update(of=("self",), no_key=True).select_related("owner"))


def _record_forgotten(
    person: User,
    left: list[CaseMember],
    ended: list[tuple[Case, str, int | None]],
    withdrawn: list[CaseImage],
    by: User | None,
) -> None:
    """Events of the erased person's own chain, in which the erasure is recorded too."""
    for member in left:
        member.case.owner = person
        record("case.left", by=by, case=member.case, after={"person": person.pk})
    record_all(cases.leaving_events(withdrawn, by, because="confidential"))
    for case, action, heir in ended:
        case.owner = person
        record(action, by=by, case=case, after={"owner": heir} if heir else None)


def _pass_on(case: Case) -> tuple[Case, str, int | None]:
    heir = _heirs(case).first()
    if heir is not None:
        Case.objects.filter(pk=case.pk).update(owner=heir.user)
        telling.role_in_case(case, heir.user, role=CaseMember.OWNER, was=heir.role)
        heir.delete()
        return case, "case.transferred", heir.user_id
    closed_at = case.closed_at or timezone.now()
    Case.objects.filter(pk=case.pk).update(title="–", description="", closed_at=closed_at)
    CaseTag.objects.filter(case=case).delete()
    return case, "case.closed", None


def _heirs(case: Case) -> QuerySet[CaseMember]:
    """Active people of a case: those who work on it first, and of those whoever came first."""
    return case.members.filter(user__is_active=True).order_by("role", "created_at", "pk")


def _hand_over(case: Case, heir: CaseMember, by: User) -> None:
    """Swap owner and member; who owned it then works on it."""
    if not heir.user.is_active:
        raise Refused("person_not_in_case")
    old = case.owner
    heir.delete()
    Case.objects.filter(pk=case.pk).update(owner=heir.user)
    CaseMember.objects.create(case=case, user=old, role=Role.EDITOR, added_by=by)
    if heir.user_id != by.pk:
        telling.role_in_case(case, heir.user, role=CaseMember.OWNER, was=heir.role)
    after = {"owner": heir.user_id, "old_owner": old.pk}
    record("case.transferred", by=by, case=case, after=after)


def _record_departure(action: str, by: User, case: Case, person: User) -> None:
    """Withdraw their confidential images and what they were told, then record all of it."""
    telling.gone_from_case(case, person)
    entries = _withdraw_confidential(CaseImage.objects.filter(case=case, image__owner=person))
    gone = partial(record, action, by=by, case=case, after={"person": person.pk})
    record_all([(case.owner_id, gone), *cases.leaving_events(entries, by, because="confidential")])


def _withdraw_confidential(rows: QuerySet[CaseImage]) -> list[CaseImage]:
    """Take those of the images out that are confidential; which those were."""
    hidden = rows.filter(image__is_confidential=True).select_related("image__owner", "case")
    entries = list(hidden.order_by("case", "pk"))
    CaseImage.objects.filter(pk__in=[entry.pk for entry in entries]).delete()
    return entries


def _owned(case: Case, by: User) -> Case:
    row = held(case, by)
    if row.owner_id != by.pk:
        raise Refused("case_owner_only")
    return row


def _member(case: Case, person: User) -> CaseMember:
    row = CaseMember.objects.select_related("user").filter(case=case, user=person).first()
    if row is None:
        raise Refused("person_not_in_case")
    return row


def _found(by: User, who: str) -> User:
    """Whom the words name, counted as a guess unless it was somebody.

    Raises:
        Refused: nobody, somebody who left, and a name one does not know are one answer.
    """
    if not take("case_person", str(by.pk), GUESSES).is_allowed:
        raise Refused("too_many_guesses")
    who = who.strip()
    found = list(User.objects.filter(email__iexact=who, is_active=True)) if "@" in who else []
    found = found or list(colleagues(by).filter(name__iexact=who)[:2] if who else [])
    if len(found) != 1:
        raise Refused("person_unknown")
    give_back("case_person", str(by.pk), GUESSES)
    return found[0]
