"""One question of one person to the history, as statements of one source after another.

Rows are asked of `HistoryRow`, which knows all that can be filtered by. Who asks sees several
sources of rows, which share none: their own, everybody's that are not confidential, and those of
their cases. A page is made in one of two ways:

- **Walked.** Each combination of model and facet lies in the order of the page in an index, so the
  newest of each are read and merged: some forty short reads, whatever the filter and the size.
- **Gathered.** Where words, a tag, a case or the like leave few rows, those are read and sorted.
  Words that are in many rows mostly fill the page from the next few, so those are tried before.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from accounts.models import User
from detection import history_words
from detection.history_question import COUNTED_TO, Asked
from detection.history_sql import (
    Part,
    Row,
    Source,
    beyond,
    first_of_all,
    found_otherwise,
    has_terms,
    key_of,
    marks,
    moment,
    order_by,
    read,
    spelt_out,
    stored_id,
    table,
    terms_of,
    terms_of_facets,
    within,
)
from detection.history_walk import Walk
from detection.models import Case, Detection, Image, ImageTag, ModelVersion, Tag
from detection.models.history import Door, Kind
from detection.models.tag import tag_key

# Of 40 facets, so many are quicker found with the words than beside them.
NARROW = 12
FACETS = [(kind, door, hidden) for kind in Kind for door in Door for hidden in (False, True)]


class Search:
    """One question of one person, in SQL."""

    def __init__(self, by: User, asked: Asked) -> None:
        self.by, self.asked = by, asked
        self.number = history_words.asked_number(asked.text)
        self.words = history_words.asked_words(asked.text)
        is_blank = bool(asked.text.strip()) and not (self.words or self.number)
        self.sources = [] if is_blank or asked.is_impossible else list(self._sources())
        self.models = [asked.model] if asked.model else _versions()
        self.fixed, self.labelled = self._fixed(), self._labelled()
        self.ids = self._numbered() if self.number else []

    def _sources(self) -> Iterator[Source]:
        """What this person sees of what is asked for, without a row in two sources."""
        asked, me = self.asked, self.by.pk
        facets, open_ = self._facets(), self._facets(False)
        whose = asked.owner.pk if asked.owner else None
        if whose in (None, me):
            hidden = self._facets(True)
            mine = hidden if whose is None and self.by.is_reviewer else facets
            yield Source(me, mine)
        if whose != me and self.by.is_reviewer:
            yield Source(whose, open_)
        if whose != me and _shared_with(self.by).exists():
            unseen = self._facets(True) if self.by.is_reviewer else facets
            yield Source(whose, unseen, True, self.by.is_reviewer, not_owner=me)

    def _facets(self, hidden: bool | None = None) -> list[int]:
        asked = self.asked
        return [
            kind * 8 + door * 2 + is_hidden
            for kind, door, is_hidden in FACETS
            if (not asked.kinds or kind in asked.kinds)
            and (not asked.door or door & asked.door)
            and asked.is_confidential in (None, is_hidden)
            and hidden in (None, is_hidden)
        ]

    def _fixed(self) -> Part:
        """What is asked of rows in every source, beside facet, model and words."""
        part, asked = Part(), self.asked
        if asked.since:
            part.add("h.created_at >= %s", moment(asked.since))
        if asked.until:
            part.add("h.created_at < %s", moment(asked.until))
        within(part, "detection_id", [(rows, "pk") for rows in asked.among])
        return part

    def _labelled(self) -> list[tuple[QuerySet[Any], str]]:
        """Sets of images that rows must be in, and the column that names them."""
        asked, sets = self.asked, list[tuple[QuerySet[Any], str]]()
        if asked.tag:
            tag = Tag.objects.filter(key=tag_key(asked.tag)).values_list("pk", flat=True).first()
            sets.append((ImageTag.objects.filter(tag=tag), "image_id"))
        if asked.case:
            case = Case.objects.visible_to(self.by).filter(pk=asked.case).first()
            sets.append((Image.cases.through.objects.filter(case=case), "image_id"))
        return sets

    def _numbered(self) -> list[str]:
        """Ids of detections whose id, or whose image's SHA-256, begins with the number."""
        visible = Detection.objects.visible_to(self.by)
        images = Image.objects.visible_to(self.by)
        if owner := self.asked.owner:
            visible, images = visible.filter(image__owner=owner), images.filter(owner=owner)
        images = images.filter(sha256__gte=self.number, sha256__lt=self.number + "g")
        first = images.order_by("sha256").values_list("pk", flat=True)[:COUNTED_TO]
        found = set(visible.filter(image__in=list(first)).values_list("pk", flat=True))
        if len(self.number) <= 32:
            low, high = (uuid.UUID(self.number.ljust(32, end)) for end in "0f")
            ids = visible.filter(pk__gte=low, pk__lte=high).order_by("pk")
            found |= set(ids.values_list("pk", flat=True)[:COUNTED_TO])
        return [stored_id(pk) for pk in found]

    @property
    def is_gathered(self) -> bool:
        asked = self.asked
        return bool(self.words or self.number or asked.tag or asked.case or asked.among)

    def pages(self, order: str, key: Any, limit: int) -> Iterator[Row]:
        """The first rows of each source.

        Args:
            key: of the row that they come after; None for the very first.
        """
        after = beyond(order, key)
        for source in self.sources:
            if not source.facets:
                continue
            if self._is_walked(source):
                asked = after if not self.words else after.and_(self._has_words())
                yield from self._walk(source).first(order, asked, limit)
            elif not self._is_windowed(source):
                yield from self._gathered(source, order, after, limit)
            else:
                yield from self._with_words(source, order, after, limit)

    def count(self, up_to: int) -> int:
        total = 0
        for source in self.sources:
            if not source.facets or total >= up_to:
                continue
            if source.counted is not None:
                total += source.counted
            elif self._is_walked(source) and not self.words:
                total += self._walk(source).count(up_to)
            else:
                sql, values = self._gather(source, up_to)
                total += read(f"SELECT count(*), 0 FROM ({sql}) c", values)[0][0]
        return min(total, up_to)

    def _is_walked(self, source: Source) -> bool:
        """Whether the rows are read in order until the page is full, not gathered and sorted."""
        if source.is_shared:
            return False
        if not self.is_gathered:
            return True
        # SQLite has no index of words
        return connection.vendor != "postgresql" and self._is_worded

    def _is_windowed(self, source: Source) -> bool:
        return connection.vendor == "postgresql" and self._is_worded and not source.is_shared

    @property
    def _is_worded(self) -> bool:
        """Whether rows are looked for by words, and not by anything that leaves few."""
        asked = self.asked
        return bool(self.words) and not (self.ids or asked.tag or asked.case or asked.among)

    def _with_words(self, source: Source, order: str, after: Part, limit: int) -> list[Row]:
        rows, is_all = self._walk(source).window(order, after, self._has_words(), limit)
        if is_all and not after.conditions and len(rows) < limit:
            source.counted = len(rows)
        if is_all or len(rows) == limit:
            return rows
        return self._gathered(source, order, after, limit)

    def _gathered(self, source: Source, order: str, after: Part, limit: int) -> list[Row]:
        """The first of all rows that fit, which are sorted."""
        sql, values = self._gather(source)
        # Counted at once where few are gathered: of many, a count stops at the first thousand.
        is_counted = not after.conditions and not self._is_windowed(source)
        number = "count(*) OVER ()" if is_counted else "0"
        rows = read(
            f"SELECT {key_of(order)}, h.detection_id, {number} FROM ({sql}{first_of_all()}) h "
            f"WHERE {after.where} ORDER BY {order_by(order)} LIMIT {limit}",
            [*values, *after.values],
        )
        if is_counted:
            source.counted = rows[0][2] if rows else 0
        return [(key, pk) for key, pk, _number in rows]

    def _gather(self, source: Source, limit: int | None = None) -> tuple[str, list[Any]]:
        """Rows of a source that fit, in no order; all of them without a limit."""
        is_few = bool(source.is_shared or self.labelled or self.ids)
        part = self._of(source, found_otherwise() if is_few else "")
        if self.words or self.number:
            part = part.and_(self._text(source))
        return (
            f"SELECT h.detection_id, h.created_at, h.rank FROM {table()} h "
            f"WHERE {part.where}" + (f" LIMIT {limit}" if limit else ""),
            part.values,
        )

    def _of(self, source: Source, sign: str) -> Part:
        """The conditions that make a source, as columns behind a sign."""
        part = Part().add(f"{sign}h.facet IN ({marks(source.facets)})", *source.facets)
        if source.owner is not None:
            part.add(f"{sign}h.owner_id = %s", source.owner)
        if source.not_owner is not None:
            part.add("h.owner_id <> %s", source.not_owner)
        # All of them, where none is asked for: with each named, the indexes by model may be used.
        models = [stored_id(model) for model in self.models]
        if models:
            part.add(f"{sign}h.model_version_id IN ({marks(models)})", *models)
        shared = [(_shared_with(self.by), "image_id")] if source.is_shared else []
        within(part, "image_id", [*self.labelled, *shared], is_first=not self.asked.among)
        return part.and_(self.fixed)

    def _text(self, source: Source) -> Part:
        numbered = Part()
        if self.ids:
            numbered.add(f"h.detection_id IN ({marks(self.ids)})", *self.ids)
        if not self.words or not source.reads_names:
            return numbered if self.ids else Part().add("FALSE")
        worded = self._has_words(source)
        if not self.ids:
            return worded
        return Part([f"(({worded.where}) OR {numbered.where})"], [*worded.values, *numbered.values])

    def _has_words(self, source: Source | None = None) -> Part:
        """Rows that have all the words; of this source, where the index of words knows it best."""
        if connection.vendor != "postgresql":
            return spelt_out(self.words)
        facets = source.facets if source else []
        is_narrow = 0 < len(facets) <= NARROW
        return has_terms([*terms_of(self.words), *(terms_of_facets(facets) if is_narrow else [])])

    def _walk(self, source: Source) -> Walk:
        is_dated = bool(self.asked.since or self.asked.until)
        return Walk(source, self.models, self.fixed, is_dated)


def _shared_with(user: User) -> QuerySet[Any]:
    """Others' images in the cases that this person belongs to: one's own are another source, and
    mostly all that there is."""
    cases = Case.objects.filter(Q(people=user) | Q(owner=user)).order_by().values("pk")
    return Image.cases.through.objects.filter(case__in=cases).exclude(image_owner=user)


def _versions() -> list[uuid.UUID]:
    return list(ModelVersion.objects.values_list("pk", flat=True))
