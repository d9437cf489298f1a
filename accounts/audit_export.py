"""Audit events as a ZIP that proves itself: CSV, JSON, signed checkpoints, and what checks them.

A hash covers the one before it, so the events between those asked for come along, without text
about persons and marked as not asked for, up to the first checkpoint that stands for them all.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.conf import settings
from django.db.models import Max, Min, Q, QuerySet

from accounts import export_verifier
from accounts.checkpoints import CHECKPOINTS_FILE, PUBLIC_KEY_FILE, Checkpoint
from accounts.models import AuditChain, AuditEvent

VERIFIER = Path(export_verifier.__file__)
CHUNK = 2_000
COLUMNS = (*export_verifier.HASHED, "at", "hash", "detail__salt", "detail__body")
LOST = '"lost":'  # in the line of a checkpoint that states what a restored backup lacks
README = """An export of the audit trail of Unmask.

events.json        every event: those asked for (matches: true), and those that link them
events.csv         the same as a table
checkpoints.jsonl  signed statements of where the chains stood
public_key         of those signatures, Ed25519
verify.py          checks all of it: pip install cryptography; python verify.py

Times are UTC. actor_id is a person's number on that desk; empty is the desk itself. The hash of
an event covers every column but matches and detail; of detail, it covers a salted commitment, so
that text about persons can be erased and the chain still holds.
"""


@dataclass(frozen=True)
class Span:
    """Events of one chain, both ends included."""

    chain: int
    first: int
    last: int


class TooLarge(Exception):  # noqa: N818 (it names what is wrong with the request)
    """More events than one export may hold.

    Attributes:
        events: how many it would hold, those that link the ones asked for included.
    """

    def __init__(self, events: int) -> None:
        self.events = events
        super().__init__(f"{events} events, of {settings.AUDIT_EXPORT_EVENTS} at most")


def write_export(rows: QuerySet[AuditEvent], file: IO[bytes]) -> None:
    """Write the events and their proof as a ZIP, event by event.

    Events newer than the last checkpoint are written, and nobody has signed for them.
    """
    spans = _spans(rows)
    checkpoints, losses = _covering(spans)
    spans = [_extended(span, checkpoints.values()) for span in spans]
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        with archive.open("events.json", "w", force_zip64=True) as entry:
            _write_json(entry, spans, rows)
        with archive.open("events.csv", "w", force_zip64=True) as entry:
            _write_csv(entry, spans, rows)
        lines = [line for _number, line in sorted((losses | checkpoints).items())]
        archive.writestr(CHECKPOINTS_FILE, "".join(f"{line}\n" for line in lines))
        key = settings.AUDIT_DIR / PUBLIC_KEY_FILE
        archive.writestr(PUBLIC_KEY_FILE, key.read_bytes() if key.exists() else b"")
        archive.writestr("verify.py", VERIFIER.read_bytes())
        archive.writestr("README.txt", README)


def refuse_too_large(rows: QuerySet[AuditEvent]) -> None:
    """Hold what is asked for, and what links it, against the limit.

    Raises:
        TooLarge: it exceeds the limit.
    """
    events = sum(span.last - span.first + 1 for span in _spans(rows))
    if events > settings.AUDIT_EXPORT_EVENTS:
        raise TooLarge(events)


def _spans(rows: QuerySet[AuditEvent]) -> list[Span]:
    of_chains = rows.order_by().values("chain").annotate(first=Min("seq"), last=Max("seq"))
    return [Span(one["chain"], one["first"], one["last"]) for one in of_chains.order_by("chain")]


def _covering(spans: list[Span]) -> tuple[dict[int, str], dict[int, str]]:
    """Lines by number: the first checkpoint that stands for each span's end, or the last there is;
    and those that state what a restored backup lacks, since they take back what older ones saw.
    """
    chosen: dict[int, tuple[int, str]] = {}
    losses: dict[int, str] = {}
    waiting = {span.chain: span.last for span in spans}
    for checkpoint, line in _checkpoints(is_wanted=lambda text: bool(waiting) or LOST in text):
        if checkpoint.lost:
            losses[checkpoint.number] = line
            for span in spans:
                kept, _seen, until = checkpoint.lost.get(span.chain, (span.last, 0, 0))
                if kept < span.last and chosen.get(span.chain, (until + 1, ""))[0] <= until:
                    del chosen[span.chain]
                    waiting[span.chain] = span.last
        for chain in list(waiting):
            if chain in checkpoint.heads:
                chosen[chain] = (checkpoint.number, line)
                if checkpoint.heads[chain][0] >= waiting[chain]:
                    del waiting[chain]
    return dict(chosen.values()), losses


def _checkpoints(*, is_wanted: Callable[[str], bool]) -> Iterator[tuple[Checkpoint, str]]:
    path = settings.AUDIT_DIR / CHECKPOINTS_FILE
    if not path.exists():
        return
    with path.open(encoding="ascii", errors="replace") as file:
        for text in filter(is_wanted, file):
            line = text.rstrip("\n")
            try:
                yield Checkpoint.from_line(line), line
            except ValueError:
                continue  # damaged: verify_audit names it; it can stand for nothing here


def _extended(span: Span, lines: Iterable[str]) -> Span:
    """Up to where a chosen checkpoint saw the chain, if that is further."""
    seen = [Checkpoint.from_line(line).heads.get(span.chain, (0, ""))[0] for line in lines]
    here = AuditChain.objects.get(number=span.chain).seq
    further = [seq for seq in seen if span.last <= seq <= here]
    return Span(span.chain, span.first, min(further, default=span.last))


def _events(spans: list[Span], asked: QuerySet[AuditEvent]) -> Iterator[dict[str, Any]]:
    """Events in their order, walked beside those asked for, which come in the same order."""
    wanted = asked.order_by("chain", "seq").values_list("chain", "seq")
    matches = wanted.iterator(chunk_size=CHUNK)
    match = next(matches, None)
    for span in spans:
        inside = Q(chain=span.chain, seq__gte=span.first, seq__lte=span.last)
        rows = AuditEvent.objects.filter(inside).order_by("seq").values_list(*COLUMNS)
        for row in rows.iterator(chunk_size=CHUNK):
            event = dict(zip(COLUMNS, row, strict=True))
            place = (span.chain, event["seq"])
            yield _event(event, matches=match == place)
            while match is not None and match <= place:
                match = next(matches, None)


def _event(event: dict[str, Any], *, matches: bool) -> dict[str, Any]:
    salt, body = event.pop("detail__salt"), event.pop("detail__body")
    event["at"] = event["at"].isoformat(timespec="microseconds")
    event["matches"] = matches
    event["detail"] = {"salt": salt, "body": body} if matches and salt is not None else None
    return event


def _write_json(entry: IO[bytes], spans: list[Span], asked: QuerySet[AuditEvent]) -> None:
    separator = "[\n"
    for event in _events(spans, asked):
        entry.write(f"{separator}{json.dumps(event)}".encode())
        separator = ",\n"
    entry.write(b"\n]\n" if separator == ",\n" else b"[]\n")


def _write_csv(entry: IO[bytes], spans: list[Span], asked: QuerySet[AuditEvent]) -> None:
    with TextIOWrapper(entry, "utf-8", newline="") as text:
        table = csv.DictWriter(text, export_verifier.COLUMNS, lineterminator="\r\n")
        table.writeheader()
        for event in _events(spans, asked):
            table.writerow(export_verifier.csv_row(event))
