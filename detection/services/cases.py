"""Making cases, changing them, and putting images into them; each with its event.

Whoever changes a case holds its row first, images after that, and records last, which holds the
chain: so nobody waits crosswise.
An event about an image in a case is of the chain of the image's owner, and one about the case of
the chain of the case's: a transaction that meets several chains takes them in their order.
"""

import uuid
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import Case, CaseImage, CaseMember, CaseTag, Image
from detection.tags import normalised

MAX_AT_ONCE = 200  # images of one call: each is an event
Event = tuple[int, Callable[[], object]]  # whose chain, and what records it


def create(
    *,
    by: User,
    title: str,
    description: str = "",
    tags: Iterable[str] = (),
    images: Iterable[Image] = (),
    shares_confidential: bool = False,
) -> Case:
    """A new case of one's own, with these images in it.

    Raises:
        Refused: as `add_images`; then there is no case.
    """
    with transaction.atomic():
        case = Case.objects.create(owner=by, title=title, description=description)
        _set_tags(case, tags)
        created = partial(record, "case.created", by=by, case=case, detail={"title": title})
        entered = _put_in(case, images, by, shares_confidential=shares_confidential)
        record_all([(by.pk, created), *entered])
    return case


def edit(
    *,
    by: User,
    case: Case,
    seen_version: int,
    title: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
) -> Case:
    """Change what a case says of itself; what is None stays.

    Args:
        seen_version: the version that the person had before them.
    Raises:
        Refused: they may not, the case is closed, or somebody saved a newer version.
    """
    with transaction.atomic():
        row = held(case, by, writing=True)
        if row.version != seen_version:
            raise Refused("case_changed_meanwhile")
        told = {"old_title": row.title, "title": title} if title not in (None, row.title) else {}
        row.title = row.title if title is None else title
        row.description = row.description if description is None else description
        row.version += 1
        row.save(update_fields=["title", "description", "version"])
        if tags is not None:
            _set_tags(row, tags)
        record("case.changed", by=by, case=row, after={"version": row.version}, detail=told)
    return row


def close(*, by: User, case: Case) -> bool:
    """Nothing more goes into it until it is opened again; False where it is closed already.

    Raises:
        Refused: somebody else owns it.
    """
    return _set_closed(by, case, is_closed=True)


def reopen(*, by: User, case: Case) -> bool:
    """Undo `close`; False where it is open.

    Raises:
        Refused: as `close`.
    """
    return _set_closed(by, case, is_closed=False)


def may_share(by: User, image: Image) -> bool:
    """Whether this person sees the image without any case: then they may put it into one."""
    return image.owner_id == by.pk or (by.is_reviewer and not image.is_confidential)


def add_images(
    *, by: User, case: Case, images: Iterable[Image], shares_confidential: bool = False
) -> int:
    """Put images into a case, all or none; how many were not in it before.

    Args:
        shares_confidential: their owner confirmed that the people of the case, and whoever is
            added later, may see those that are confidential.
    Raises:
        Refused: the case cannot be written to, or an image is not theirs to share.
    """
    with transaction.atomic():
        row = held(case, by, writing=True)
        events = _put_in(row, images, by, shares_confidential=shares_confidential)
        record_all(events)
    return len(events)


def remove_image(*, by: User, case: Case, image: Image) -> bool:
    """Take an image out of a case; False where it is not in it.

    Those who work on an open case do so, and whoever owns the image at any time.

    Raises:
        Refused: neither is the case.
    """
    with transaction.atomic():
        events = _take_out(held(case, by), image, by)
        record_all(events)
    return bool(events)


def move_image(
    *, by: User, image: Image, source: Case, target: Case, shares_confidential: bool = False
) -> None:
    """Take an image from one case to another.

    Raises:
        Refused: as `remove_image` and `add_images`; then it stays where it was.
    """
    with transaction.atomic():
        in_order = sorted({source, target}, key=lambda one: one.pk)
        rows = {case.pk: held(case, by) for case in in_order}
        row = Image.objects.select_related("owner").held_fast(image.pk)
        if left := _take_out(rows[source.pk], row, by):
            refuse_writing(rows[target.pk], by)
            entered = _put_in(rows[target.pk], [row], by, shares_confidential=shares_confidential)
            record_all([*left, *entered])


def for_submission(by: User, case_id: str) -> Case:
    """The case that a submission names, held until the transaction ends.

    Raises:
        Refused: there is none, it is closed, or this person may not add to it.
    """
    rows = Case.objects.writable_by(by).select_for_update(of=("self",), no_key=True)
    try:
        row = rows.select_related("owner").filter(pk=uuid.UUID(case_id)).first()
    except ValueError:
        row = None
    if row is None:
        raise Refused("case_unavailable")
    return row


def enter_submitted(case: Case, image: Image, by: User) -> list[Callable[[], object]]:
    """Put what was just submitted into a case that is held; what is to be recorded of it."""
    if CaseImage.objects.filter(case=case, image=image).exists():
        return []
    return [_enter(case, image, by)[1]]


def drop_image(image: Image, *, by: User | None) -> list[Callable[[], object]]:
    """Take an image that is being erased out of all cases; what is to be recorded of it."""
    return _drop(CaseImage.objects.filter(image=image), image, by, because="erased")


def withdraw_hidden(image: Image, *, by: User) -> list[Callable[[], object]]:
    """Take an image that its owner just made confidential out of cases they did not choose.

    It stays where they put it themselves and still belong.
    """
    rows = CaseImage.objects.filter(image=image)
    member = CaseMember.objects.filter(user=image.owner_id)
    chosen = Q(added_by=image.owner_id) & (
        Q(case__owner=image.owner_id) | Q(case__in=member.values("case"))
    )
    return _drop(rows.exclude(pk__in=rows.filter(chosen).values("pk")), image, by, "confidential")


def withdraw_unseen(*, by: User, image: Image) -> int:
    """Take one's own image out of cases one does not belong to; how many those were."""
    with transaction.atomic():
        rows = CaseImage.objects.filter(image=image, image__owner=by)
        unseen = rows.exclude(case__in=Case.objects.visible_to(by).values("pk"))
        events = _drop(unseen, image, by, because="withdrawn")
        for event in events:
            event()
    return len(events)


def held(case: Case, by: User, *, writing: bool = False) -> Case:
    """The row as it is now, which nobody else changes until the transaction ends.

    Raises:
        Refused: it is not theirs to see, or with `writing` to change.
    """
    rows = Case.objects.visible_to(by).select_for_update(of=("self",), no_key=True)
    row = rows.select_related("owner").filter(pk=case.pk).first()
    if row is None:
        raise Refused("case_gone")
    if writing:
        refuse_writing(row, by)
    return row


def refuse_writing(case: Case, by: User) -> None:
    """Raises Refused unless the case is open and this person works on it."""
    if case.role_of(by) not in {CaseMember.OWNER, CaseMember.Role.EDITOR}:
        raise Refused("case_not_yours_to_change")
    if case.closed_at:
        raise Refused("case_closed")


def refuse_to_share(by: User, image: Image, *, shares_confidential: bool) -> None:
    """Raises Refused unless this person may show the image, and knows what they show."""
    if not may_share(by, image):
        raise Refused("not_yours_to_share")
    if image.is_confidential and not shares_confidential:
        raise Refused("confidential_unconfirmed")


def record(
    action: str,
    *,
    by: User | None,
    case: Case,
    after: dict[str, Any] | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """One event of the case itself."""
    audit.record(action, actor=by, target=case, owner=case.owner, after=after, detail=detail)


def record_all(events: Iterable[Event]) -> None:
    """Record in the order of the chains."""
    for _owner, event in sorted(events, key=lambda one: audit.chain_of(one[0])):
        event()


def leaving_events(rows: Iterable[CaseImage], by: User | None, because: str = "") -> list[Event]:
    """What is to be recorded of images that were just taken out."""
    return [_leaving(row.case, row.image, by, because) for row in rows]


def _set_tags(case: Case, tags: Iterable[str]) -> None:
    wanted = set(normalised(tags))
    CaseTag.objects.filter(case=case).exclude(name__in=wanted).delete()
    known = set(CaseTag.objects.filter(case=case).values_list("name", flat=True))
    CaseTag.objects.bulk_create(CaseTag(case=case, name=name) for name in sorted(wanted - known))


def _set_closed(by: User, case: Case, *, is_closed: bool) -> bool:
    with transaction.atomic():
        row = held(case, by)
        if row.owner_id != by.pk:
            raise Refused("case_owner_only")
        if bool(row.closed_at) == is_closed:
            return False
        Case.objects.filter(pk=row.pk).update(closed_at=timezone.now() if is_closed else None)
        record("case.closed" if is_closed else "case.reopened", by=by, case=row)
    return True


def _new_in(case: Case, wanted: set[uuid.UUID]) -> list[Image]:
    """Of these images, those that are not in the case and not erased, held fast."""
    known = CaseImage.objects.filter(case=case, image__in=wanted).values("image")
    rows = Image.objects.select_for_update(of=("self",), no_key=True).select_related("owner")
    return list(rows.filter(pk__in=wanted, erased_at=None).exclude(pk__in=known).order_by("pk"))


def _put_in(
    case: Case, images: Iterable[Image], by: User, *, shares_confidential: bool
) -> list[Event]:
    """What is to be recorded, once no row is to be held any more."""
    wanted = {image.pk for image in images}
    if len(wanted) > MAX_AT_ONCE:
        raise Refused("too_many_in_case", str(MAX_AT_ONCE))
    new = _new_in(case, wanted)
    for image in new:
        refuse_to_share(by, image, shares_confidential=shares_confidential)
    return [_enter(case, image, by) for image in new]


def _take_out(case: Case, image: Image, by: User) -> list[Event]:
    """As `_put_in`; nothing where the image is not in the case."""
    if image.owner_id != by.pk:
        refuse_writing(case, by)
    if not CaseImage.objects.filter(case=case, image=image).delete()[0]:
        return []
    return [_leaving(case, image, by)]


def _enter(case: Case, image: Image, by: User) -> Event:
    CaseImage.objects.create(case=case, image=image, image_owner_id=image.owner_id, added_by=by)
    return image.owner_id, partial(_record_image, "case.image_added", by, case, image)


def _leaving(case: Case, image: Image, by: User | None, because: str = "") -> Event:
    after = {"because": because} if because else {}
    event = partial(_record_image, "case.image_removed", by, case, image, **after)
    return image.owner_id, event


def _drop(rows: Any, image: Image, by: User | None, because: str) -> list[Callable[[], object]]:
    entries = list(rows.select_related("case").order_by("case"))
    CaseImage.objects.filter(pk__in=[entry.pk for entry in entries]).delete()
    return [_leaving(entry.case, image, by, because)[1] for entry in entries]


def _record_image(action: str, by: User | None, case: Case, image: Image, **after: str) -> None:
    audit.record(
        action,
        actor=by,
        target=case,
        owner=image.owner,
        target_sha256=image.sha256,
        after={"image": str(image.pk), **after},
    )
