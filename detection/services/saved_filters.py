"""Keeping searches under names."""

from urllib.parse import parse_qs

from django.db import models, transaction

from accounts.models import User
from detection.errors import Refused
from detection.models import SavedFilter
from detection.models.saved_filter import MAX_NAME, MAX_QUERY

MAX_FILTERS = 30


def save_filter(*, by: User, name: str, query: str) -> SavedFilter:
    """Keep a search; one of the same name is replaced.

    Raises:
        Refused: it has no name, is too long, or the person keeps as many as one may.
    """
    name = _named(name)
    if len(query) > MAX_QUERY:
        raise Refused("filter_too_long")
    with transaction.atomic():
        rows = _held(by)
        known = rows.filter(name=name).first()
        if known is None and rows.count() >= MAX_FILTERS:
            raise Refused("too_many_filters")
        row, _created = SavedFilter.objects.update_or_create(
            owner=by, name=name, defaults={"query": query}
        )
    return row


def rename_filter(*, by: User, saved: SavedFilter, name: str) -> None:
    """Raises Refused without a name, or where another bears it."""
    name = _named(name)
    with transaction.atomic():
        if _held(by).filter(name=name).exclude(pk=saved.pk).exists():
            raise Refused("filter_name_taken")
        _held(by).filter(pk=saved.pk).update(name=name)


def delete_filter(*, by: User, saved: SavedFilter) -> None:
    SavedFilter.objects.filter(owner=by, pk=saved.pk).delete()


def choose_default(*, by: User, saved: SavedFilter | None) -> None:
    """The filter that the history opens with; None for the plain one."""
    with transaction.atomic():
        rows = _held(by)
        rows.update(is_default=False)
        if saved is not None:
            rows.filter(pk=saved.pk).update(is_default=True)


def forget_person(person: User) -> None:
    """Delete what an erased person kept."""
    SavedFilter.objects.filter(owner=person).delete()


def forget_addresses(addresses: set[str]) -> None:
    """Delete everybody's filters that look for an erased person by one of these addresses."""
    forgotten = {address.casefold() for address in addresses}
    rows = SavedFilter.objects.filter(query__contains="person=").values_list("pk", "query")
    about = [pk for pk, query in rows if not forgotten.isdisjoint(_people_in(query))]
    SavedFilter.objects.filter(pk__in=about).delete()


def _people_in(query: str) -> set[str]:
    return {text.strip().casefold() for text in parse_qs(query).get("person", ())}


def _held(by: User) -> models.QuerySet[SavedFilter]:
    """This person's filters, which nobody else changes until the transaction ends."""
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    return SavedFilter.objects.filter(owner=by)


def _named(name: str) -> str:
    printable = "".join(char for char in name if char.isprintable())
    shown = " ".join(printable.split())[:MAX_NAME].strip()
    if not shown:
        raise Refused("filter_without_name")
    return shown
