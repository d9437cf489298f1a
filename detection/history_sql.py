"""What a search of the history says in SQL; values are always parameters."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from detection.history_question import Order
from detection.models import HistoryRow

Row = tuple[Any, uuid.UUID]  # what rows are ordered by, and the id of the detection
Words = list[tuple[str, bool]]  # see `detection.history_words.asked_words`


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
        counted: how many rows fit, once a page of them was read and that is known.
    """

    owner: int | None
    facets: list[int]
    is_shared: bool = False
    reads_names: bool = True
    not_owner: int | None = None
    counted: int | None = None


def spelt_out(words: Words) -> Part:
    """Rows that have all the words, for a database without an index of them."""
    part = Part()
    for word, is_begun in words:
        end = "" if is_begun else " "
        part.add("' ' || h.words || ' ' LIKE %s", f"% {word}{end}%")
    return part


def has_terms(terms: list[str]) -> Part:
    """Rows that have all these terms, by the index of PostgreSQL."""
    return Part().add("h.terms @@ %s::tsquery", " & ".join(terms))


def terms_of(words: Words) -> list[str]:
    return [f"'{word}'" + (":*" if is_begun else "") for word, is_begun in words]


def terms_of_facets(facets: list[int]) -> list[str]:
    return ["(" + "|".join(f"'=f{facet}'" for facet in facets) + ")"]


def within(
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


def found_otherwise() -> str:
    """Before a column that rows are not to be found by: SQLite, which has no statistics, would
    rather read all of a person's rows than look up the few images of a case.
    """
    return "" if connection.vendor == "postgresql" else "+"


def beyond(order: str, after: Any) -> Part:
    if after is None:
        return Part()
    key, pk = after
    value = key if order == Order.LIKELIEST else moment(key)
    sign = ">" if order == Order.OLDEST else "<"
    return Part().add(f"({key_of(order)}, h.detection_id) {sign} (%s, %s)", value, stored_id(pk))


def in_order(order: str, limit: int) -> str:
    return f" ORDER BY key {way(order)}, detection_id {way(order)} LIMIT {limit}"


def key_of(order: str) -> str:
    return "h.rank" if order == Order.LIKELIEST else "h.created_at"


def way(order: str) -> str:
    return "ASC" if order == Order.OLDEST else "DESC"


def order_by(order: str) -> str:
    return f"{key_of(order)} {way(order)}, h.detection_id {way(order)}"


def table() -> str:
    return HistoryRow._meta.db_table


def first_of_all() -> str:
    """What keeps PostgreSQL from reading a subquery in the order that is wanted of its rows."""
    return " OFFSET 0" if connection.vendor == "postgresql" else ""


def marks(values: Iterable[Any]) -> str:
    return ", ".join("%s" for _value in values)


def stored_id(pk: uuid.UUID) -> Any:
    return pk if connection.features.has_native_uuid_field else pk.hex


def moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def read(sql: str, values: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
