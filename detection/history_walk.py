"""Rows read in the order of a page, each model and facet by itself: every such part lies in order
in an index.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection

from detection.history_question import Order
from detection.history_sql import (
    Part,
    Row,
    Source,
    in_order,
    key_of,
    order_by,
    read,
    stored_id,
    table,
    way,
)

WINDOW = 500
FEW = 3000  # rows of one part between two dates that are read and sorted by their probability
CHUNK = 200  # parts of one statement; SQLite takes 500
Pair = tuple[uuid.UUID, int]


@dataclass(frozen=True)
class Walk:
    """One source's parts.

    Attributes:
        fixed: what is asked of the rows beside model, facet and words.
        is_dated: whether that says between which dates.
    """

    source: Source
    models: list[uuid.UUID]
    fixed: Part
    is_dated: bool

    def first(self, order: str, asked: Part, limit: int) -> list[Row]:
        """The first rows, with `asked` beside what is fixed."""
        parts, found = self._parts(), list[Row]()
        if order == Order.LIKELIEST and self.is_dated:
            # by probability, a part with few rows of these dates would be read from end to end
            counts = self._counts(FEW + 1)
            sparse = [pair for pair, n in zip(parts, counts, strict=True) if 0 < n <= FEW]
            parts = [pair for pair, n in zip(parts, counts, strict=True) if n > FEW]
            found = self._of_each(sparse, *self._sorted(asked, limit), order, limit)
        sql, values = self._first(order, self.fixed.and_(asked), limit)
        return found + self._of_each(parts, sql, values, order, limit)

    def window(self, order: str, asked: Part, worded: Part, limit: int) -> tuple[list[Row], bool]:
        """What has the words among the first `WINDOW` rows, and whether those are all rows; on
        PostgreSQL.
        """
        if order == Order.LIKELIEST and self.is_dated:
            return self._dated_window(asked, worded, limit)
        one, values = self._first(order, self.fixed.and_(asked), WINDOW)
        sql, values = self._lateral(self._parts(), one, values)
        *rows, (_key, _id, size) = read(
            f"WITH w AS MATERIALIZED ({sql}{in_order(order, WINDOW)}) "
            "(SELECT w.key, w.detection_id, 0 FROM w "
            f"JOIN {table()} h ON h.detection_id = w.detection_id WHERE {worded.where} "
            f"ORDER BY w.key {way(order)}, w.detection_id {way(order)} LIMIT {limit}) "
            "UNION ALL SELECT NULL, NULL, count(*) FROM w",
            [*values, *worded.values],
        )
        return [(key, pk) for key, pk, _zero in rows], size < WINDOW

    def _dated_window(self, asked: Part, worded: Part, limit: int) -> tuple[list[Row], bool]:
        rows = sorted(self.first(Order.LIKELIEST, asked, WINDOW), reverse=True)[:WINDOW]
        among = Part().add("h.detection_id = ANY(%s::uuid[])", [pk for _key, pk in rows])
        part = among.and_(worded)
        found = read(f"SELECT h.detection_id FROM {table()} h WHERE {part.where}", part.values)
        worded_ids = {pk for (pk,) in found}
        return [row for row in rows if row[1] in worded_ids][:limit], len(rows) < WINDOW

    def count(self, up_to: int) -> int:
        """How many rows, with no more than `up_to` counted in each part."""
        return sum(self._counts(up_to))

    def _parts(self) -> list[Pair]:
        return [(model, facet) for model in self.models for facet in self.source.facets]

    def _counts(self, up_to: int) -> list[int]:
        one = (
            f"SELECT {{number}} AS key, count(*) AS detection_id FROM (SELECT 1 FROM {table()} h "
            f"WHERE {{part}} AND {self.fixed.where} LIMIT {up_to}) c"
        )
        parts = self._parts()
        found = dict(self._of_each(parts, one, self.fixed.values))
        return [int(found[number]) for number in range(len(parts))]

    def _first(self, order: str, asked: Part, limit: int) -> tuple[str, list[Any]]:
        return (
            f"SELECT {key_of(order)} AS key, h.detection_id FROM {table()} h WHERE {{part}} "
            f"AND {asked.where} ORDER BY {order_by(order)} LIMIT {limit}",
            asked.values,
        )

    def _sorted(self, asked: Part, limit: int) -> tuple[str, list[Any]]:
        """The likeliest of a part that has few rows, which are read by their dates."""
        order = Order.LIKELIEST
        shown = "h.rank, h.detection_id" if connection.vendor == "postgresql" else "h.*"
        return (
            f"SELECT {key_of(order)} AS key, h.detection_id FROM (SELECT {shown} FROM {table()} h "
            f"WHERE {{part}} AND {self.fixed.where} ORDER BY h.created_at LIMIT {FEW}) h "
            f"WHERE {asked.where} ORDER BY {order_by(order)} LIMIT {limit}",
            [*self.fixed.values, *asked.values],
        )

    def _of_each(
        self, parts: list[Pair], one: str, values: list[Any], order: str = "", limit: int = 0
    ) -> list[Row]:
        """What one question gives in each of these parts, with its `number` from 0 on."""
        if connection.vendor == "postgresql":
            sql, values = self._lateral(parts, one, values)
            return read(sql + (in_order(order, limit) if order else ""), values)
        owner = [] if self.source.owner is None else [self.source.owner]
        mine = "h.owner_id = %s AND " if owner else ""
        found: list[Row] = []
        for start in range(0, len(parts), CHUNK):
            some = parts[start : start + CHUNK]
            part = f"{mine}h.model_version_id = %s AND h.facet = %s"
            sql = " UNION ALL ".join(
                f"SELECT * FROM ({one.format(part=part, number=start + at)})"
                for at in range(len(some))
            )
            own = [(*owner, stored_id(model), facet) for model, facet in some]
            found += read(sql, [value for each in own for value in (*each, *values)])
        return found

    def _lateral(self, parts: list[Pair], one: str, values: list[Any]) -> tuple[str, list[Any]]:
        """The same as one statement, for PostgreSQL."""
        owner = [] if self.source.owner is None else [self.source.owner]
        mine = "h.owner_id = %s AND " if owner else ""
        part = f"{mine}h.model_version_id = p.m AND h.facet = p.f"
        return (
            "SELECT r.key, r.detection_id FROM unnest(%s::uuid[], %s::smallint[]) WITH ORDINALITY "
            f"p(m, f, n) CROSS JOIN LATERAL ({one.format(part=part, number='p.n - 1')}) r",
            [[m for m, _f in parts], [f for _m, f in parts], *owner, *values],
        )
