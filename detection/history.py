"""Finding detections again among a million, page by page.

Rows are asked of `HistoryRow`, which knows all that can be filtered by. Who asks sees several
sources of rows, which share none: their own, everybody's that are not confidential, and those of
their cases. A page is made in one of two ways:

- **Walked.** Each combination of model and facet lies in the order of the page in an index, so the
  newest of each are read and merged: some forty short reads, whatever the filter and the size.
- **Gathered.** Where words, a tag, a case or the like leave few rows, those are read and sorted.
  Words that are in many rows mostly fill the page from the next `WINDOW` rows, so those are tried
  before all rows with the words are gathered.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import OperationalError, connection, models, transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from detection import history_words, paging
from detection.models import Case, Detection, HistoryRow, Image, ImageTag, ModelVersion, Tag
from detection.models.history import Door, Kind
from detection.models.tag import tag_key

COUNTED_TO = 1000
WINDOW = 2000
TIMEOUT_MS = 3000
# Few are read of many: what the planner would compile or share is read before, and reading all in
# the hope of finding enough soon costs a second where there is nothing.
SETTINGS = """SET LOCAL statement_timeout = {}; SET LOCAL jit = off;
SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL enable_seqscan = off"""
QUERY_CANCELED = "57014"
CHUNK = 200  # parts of one statement; SQLite takes 500
FACETS = [(kind, door, hidden) for kind in Kind for door in Door for hidden in (False, True)]


class Order(models.TextChoices):
    NEWEST = "newest"
    OLDEST = "oldest"
    LIKELIEST = "likeliest"


class TooSlow(Exception):  # noqa: N818 (it names what happened to the search)
    """The search took longer than one may."""


@dataclass(frozen=True)
class Asked:
    """What somebody looks for; an empty field asks for nothing.

    Attributes:
        text: words of file names and source addresses, or the beginning of a SHA-256 or an id.
        owner: whose images; None is everybody's that one may see.
        since, until: received then or later, and before.
        among: querysets of detections' ids that rows must be in.
        is_impossible: nothing can match, such as the images of nobody.
    """

    text: str = ""
    kinds: frozenset[Kind] = frozenset()
    door: Door = Door.NONE
    is_confidential: bool | None = None
    model: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    tag: str = ""
    case: uuid.UUID | None = None
    owner: User | None = None
    order: str = Order.NEWEST
    among: tuple[QuerySet[Any], ...] = ()
    is_impossible: bool = False


@dataclass(frozen=True)
class Found:
    """Ids of one page in order, the cursor of the next, empty when there is none, and how many
    rows there are in all, where that was asked.
    """

    ids: list[uuid.UUID]
    next_cursor: str
    total: int = 0


@dataclass
class Part:
    """Conditions on the rows of one source, and the values in them."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> "Part":
        self.conditions.append(condition)
        self.values += values
        return self

    def and_(self, other: "Part") -> "Part":
        return Part([*self.conditions, *other.conditions], [*self.values, *other.values])

    @property
    def where(self) -> str:
        return " AND ".join(self.conditions) or "TRUE"


@dataclass
class Source:
    """Rows that one person sees for one reason.

    Attributes:
        owner: whose; None for everybody's.
        facets: which of them.
        is_shared: whether they are seen because they are in a case.
        reads_names: whether this person may look for their file names.
    """

    owner: int | None
    facets: list[int]
    is_shared: bool = False
    reads_names: bool = True
    not_owner: int | None = None


def find(
    by: User, asked: Asked, *, cursor: str = "", size: int, counted_to: int | None = None
) -> Found:
    """One page. An unreadable cursor is the first page.

    Args:
        counted_to: count all rows as well, as `count` does.
    Raises:
        TooSlow: it took longer than `TIMEOUT_MS`.
    """
    with _in_time():
        search = _Search(by, asked)
        rows = _merged(search, asked.order, _after(asked.order, cursor), size + 1)
        total = search.count(counted_to + 1) if counted_to is not None else 0
    more = len(rows) > size
    ids = [pk for _key, pk in rows[:size]]
    return Found(ids, _cursor(asked.order, rows, size) if more else "", total)


def count(by: User, asked: Asked, *, up_to: int = COUNTED_TO) -> int:
    """How many rows there are, at most one more than `up_to`.

    Raises:
        TooSlow: as `find`.
    """
    with _in_time():
        return _Search(by, asked).count(up_to + 1)


def is_cursor(order: str, text: str) -> bool:
    """Whether `find` can read this; empty is the first page."""
    return not text or _after(order, text) is not None


def detections(by: User, ids: list[uuid.UUID]) -> list[Detection]:
    """The rows of a page in its order, for somebody who may see them."""
    rows = Detection.objects.visible_to(by).select_related("image__owner", "model_version")
    found = rows.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


@contextmanager
def _in_time() -> Iterator[None]:
    """A block whose statements PostgreSQL ends in time; SQLite knows no such limit."""
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(SETTINGS.format(TIMEOUT_MS))
            yield
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") == QUERY_CANCELED:
            raise TooSlow from error
        raise


class _Search:
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
            part.add("h.created_at >= %s", _moment(asked.since))
        if asked.until:
            part.add("h.created_at < %s", _moment(asked.until))
        _within(part, "detection_id", [(rows, "pk") for rows in asked.among])
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
        return [_id(pk) for pk in found]

    @property
    def is_gathered(self) -> bool:
        asked = self.asked
        return bool(self.words or self.number or asked.tag or asked.case or asked.among)

    def pages(self, order: str, after: "Part", limit: int) -> Iterator[tuple[Any, uuid.UUID]]:
        """The first rows of each source."""
        for source in self.sources:
            if not source.facets:
                continue
            if self._is_walked(source):
                yield from self._walk(source, order, after, limit)
                continue
            if self._is_windowed(source):
                rows = self._window(source, order, after, limit)
                if len(rows) == limit:
                    yield from rows
                    continue
            sql, values = self._gather(source)
            yield from _rows(
                f"WITH hit AS {_materialized()} ({sql}) SELECT {_key(order)}, detection_id "
                f"FROM hit h WHERE {after.where} ORDER BY {_by(order)} LIMIT {limit}",
                [*values, *after.values],
            )

    def count(self, up_to: int) -> int:
        total = 0
        for source in self.sources:
            if not source.facets or total >= up_to:
                continue
            if self._is_walked(source) and not self.words:
                total += self._count_walked(source, up_to)
            elif self._is_windowed(source) and self._is_dense(source, up_to):
                total += up_to
            else:
                sql, values = self._gather(source, up_to)
                total += _rows(f"SELECT count(*), 0 FROM ({sql}) c", values)[0][0]
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

    def _is_dense(self, source: Source, up_to: int) -> bool:
        order = Order.NEWEST
        return len(self._window(source, order, Part(), up_to)) == up_to

    def _window(
        self, source: Source, order: str, after: Part, limit: int
    ) -> list[tuple[Any, uuid.UUID]]:
        """What has the words among the first rows that fit otherwise."""
        asked = self.fixed.and_(after)
        sql, values = self._of_each(source, self._first(order, asked, WINDOW), asked.values)
        worded = _worded(self.words)
        return _rows(
            f"SELECT w.key, w.detection_id FROM ({sql}{_first(order, WINDOW)}) w "
            f"JOIN {_table()} h ON h.detection_id = w.detection_id WHERE {worded.where} "
            f"ORDER BY w.key {_way(order)}, w.detection_id {_way(order)} LIMIT {limit}",
            [*values, *worded.values],
        )

    def _gather(self, source: Source, limit: int | None = None) -> tuple[str, list[Any]]:
        """Rows of a source that fit, in no order; all of them without a limit."""
        part = self._of(source)
        if self.words or self.number:
            part = part.and_(self._text(source))
        return (
            f"SELECT h.detection_id, h.created_at, h.rank FROM {_table()} h "
            f"WHERE {part.where}" + (f" LIMIT {limit}" if limit else ""),
            part.values,
        )

    def _of(self, source: Source) -> Part:
        """The conditions that make a source, as columns."""
        if self._is_windowed(source):  # the index of words knows the source, and shall be used
            return self.fixed
        part = Part().add(f"h.facet IN ({_marks(source.facets)})", *source.facets)
        if source.owner is not None:
            part.add("h.owner_id = %s", source.owner)
        if source.not_owner is not None:
            part.add("h.owner_id <> %s", source.not_owner)
        if self.asked.model:
            part.add("h.model_version_id = %s", _id(self.asked.model))
        shared = [(_shared_with(self.by), "image_id")] if source.is_shared else []
        _within(part, "image_id", [*self.labelled, *shared], is_first=not self.asked.among)
        return part.and_(self.fixed)

    def _text(self, source: Source) -> Part:
        numbered = Part()
        if self.ids:
            numbered.add(f"h.detection_id IN ({_marks(self.ids)})", *self.ids)
        if not self.words or not source.reads_names:
            return numbered if self.ids else Part().add("FALSE")
        worded = _worded(self.words, source, self.asked.model)
        if not self.ids:
            return worded
        return Part([f"(({worded.where}) OR {numbered.where})"], [*worded.values, *numbered.values])

    def _walk(
        self, source: Source, order: str, after: Part, limit: int
    ) -> list[tuple[Any, uuid.UUID]]:
        asked = self.fixed.and_(after)
        if self.words:
            asked = asked.and_(_worded(self.words))
        return self._in_each(source, self._first(order, asked, limit), asked.values, order, limit)

    def _count_walked(self, source: Source, up_to: int) -> int:
        one = (
            f"SELECT count(*) AS key, 0 AS detection_id FROM (SELECT 1 FROM {_table()} h "
            f"WHERE {{part}} AND {self.fixed.where} LIMIT {up_to}) c"
        )
        return sum(number for number, _zero in self._in_each(source, one, self.fixed.values))

    def _first(self, order: str, asked: Part, limit: int) -> str:
        """The first rows of one part of a source."""
        return (
            f"SELECT {_key(order)} AS key, h.detection_id FROM {_table()} h WHERE {{part}} "
            f"AND {asked.where} ORDER BY {_by(order)} LIMIT {limit}"
        )

    def _in_each(
        self, source: Source, one: str, values: list[Any], order: str = "", limit: int = 0
    ) -> list[tuple[Any, uuid.UUID]]:
        """What one question gives in each part of a source: of one model and one facet."""
        if connection.vendor == "postgresql":
            sql, values = self._of_each(source, one, values)
            return _rows(sql + (_first(order, limit) if order else ""), values)
        owner = [] if source.owner is None else [source.owner]
        mine = "h.owner_id = %s AND " if owner else ""
        one = one.format(part=f"{mine}h.model_version_id = %s AND h.facet = %s")
        parts = [(_id(model), facet) for model in self.models for facet in source.facets]
        found: list[tuple[Any, uuid.UUID]] = []
        for start in range(0, len(parts), CHUNK):
            some = parts[start : start + CHUNK]
            sql = " UNION ALL ".join([f"SELECT * FROM ({one})"] * len(some))
            found += _rows(sql, [value for pair in some for value in (*owner, *pair, *values)])
        return found

    def _of_each(self, source: Source, one: str, values: list[Any]) -> tuple[str, list[Any]]:
        """The same as one statement, for PostgreSQL."""
        owner = [] if source.owner is None else [source.owner]
        mine = "h.owner_id = %s AND " if owner else ""
        one = one.format(part=f"{mine}h.model_version_id = m AND h.facet = f")
        return (
            "SELECT r.key, r.detection_id FROM unnest(%s::uuid[]) m "
            f"CROSS JOIN unnest(%s::smallint[]) f CROSS JOIN LATERAL ({one}) r",
            [self.models, source.facets, *owner, *values],
        )


def _first(order: str, limit: int) -> str:
    return f" ORDER BY key {_way(order)}, detection_id {_way(order)} LIMIT {limit}"


def _merged(search: _Search, order: str, after: Any, limit: int) -> list[tuple[Any, uuid.UUID]]:
    """The first rows of all sources together."""
    found = search.pages(order, _beyond(order, after), limit)
    rows = [
        (_as_asked(key), pk if isinstance(pk, uuid.UUID) else uuid.UUID(pk)) for key, pk in found
    ]
    return sorted(rows, key=lambda row: (row[0], row[1].hex), reverse=order != Order.OLDEST)[:limit]


def _worded(
    words: list[tuple[str, bool]], source: Source | None = None, model: uuid.UUID | None = None
) -> Part:
    """Rows that have all the words; on PostgreSQL, by one index that knows the source as well."""
    if connection.vendor != "postgresql":
        part = Part()
        for word, is_begun in words:
            end = "" if is_begun else " "
            part.add("' ' || h.words || ' ' LIKE %s", f"% {word}{end}%")
        return part
    terms = [f"'{word}'" + (":*" if is_begun else "") for word, is_begun in words]
    if source:
        terms.append("(" + "|".join(f"'=f{facet}'" for facet in source.facets) + ")")
        terms += [] if source.owner is None else [f"'=o{source.owner}'"]
        terms += [] if model is None else [f"'=m{model.hex}'"]
    return Part().add("h.terms @@ %s::tsquery", " & ".join(terms))


def _within(
    part: Part, column: str, sets: list[tuple[QuerySet[Any], str]], *, is_first: bool = True
) -> None:
    """Rows in all of these sets.

    Args:
        is_first: whether rows are looked up by them. The planner cannot guess how few they are,
            and need not: an array is looked up by index. A second array would be read from end to
            end for each row.
    """
    if not sets:
        return
    found = [rows.order_by().values(name).query.sql_with_params() for rows, name in sets]
    sql = " INTERSECT ".join(sql for sql, _values in found)
    is_array = is_first and connection.vendor == "postgresql"
    part.add(
        f"h.{column} = ANY(ARRAY({sql}))" if is_array else f"h.{column} IN ({sql})",
        *(value for _sql, values in found for value in values),
    )


def _shared_with(user: User) -> QuerySet[Any]:
    """Images of the cases that this person belongs to."""
    return Image.cases.through.objects.filter(Q(case__people=user) | Q(case__owner=user))


def _versions() -> list[uuid.UUID]:
    return list(ModelVersion.objects.values_list("pk", flat=True))


def _after(order: str, cursor: str) -> Any:
    is_rank = order == Order.LIKELIEST
    return paging.rank_position(cursor) if is_rank else paging.position(cursor)


def _beyond(order: str, after: Any) -> Part:
    if after is None:
        return Part()
    key, pk = after
    value = key if order == Order.LIKELIEST else _moment(key)
    sign = ">" if order == Order.OLDEST else "<"
    return Part().add(f"({_key(order)}, h.detection_id) {sign} (%s, %s)", value, _id(pk))


def _cursor(order: str, rows: list[tuple[Any, uuid.UUID]], size: int) -> str:
    key, pk = rows[size - 1]
    if order == Order.LIKELIEST:
        return paging.cursor_at_rank(key, pk)
    return paging.cursor_at(key, pk)


def _as_asked(key: Any) -> Any:
    """A moment with its zone: SQLite gives what it keeps, as text or without one."""
    key = datetime.fromisoformat(key) if isinstance(key, str) else key
    is_bare = isinstance(key, datetime) and key.tzinfo is None
    return key.replace(tzinfo=UTC) if is_bare else key


def _key(order: str) -> str:
    return "h.rank" if order == Order.LIKELIEST else "h.created_at"


def _way(order: str) -> str:
    return "ASC" if order == Order.OLDEST else "DESC"


def _by(order: str) -> str:
    return f"{_key(order)} {_way(order)}, h.detection_id {_way(order)}"


def _table() -> str:
    return HistoryRow._meta.db_table


def _materialized() -> str:
    return "MATERIALIZED" if connection.vendor == "postgresql" else ""


def _marks(values: Iterable[Any]) -> str:
    return ", ".join("%s" for _value in values)


def _id(pk: uuid.UUID) -> Any:
    return pk if connection.features.has_native_uuid_field else pk.hex


def _moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _rows(sql: str, values: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
