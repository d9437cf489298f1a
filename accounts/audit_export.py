"""Audit events as a ZIP that proves itself: CSV, JSON, signed checkpoints, and what checks them.

A hash covers the one before it, so the events between those asked for come along, without text
about persons and marked as not asked for, up to the first checkpoint that stands for them all.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.conf import settings
from django.db.models import Max, Min, Q, QuerySet

from accounts import export_verifier
from accounts.checkpoints import CHECKPOINTS_FILE, PUBLIC_KEY_FILE, Checkpoint
from accounts.models import AuditEvent

VERIFIER = Path(export_verifier.__file__)
CHUNK = 2_000
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


def write_export(rows: QuerySet[AuditEvent], file: IO[bytes]) -> None:
    """Write the events and their proof as a ZIP.

    Events newer than the last checkpoint are written, and nobody has signed for them.
    """
    spans = [
        Span(row["chain"], row["first"], row["last"])
        for row in rows.order_by()
        .values("chain")
        .annotate(first=Min("seq"), last=Max("seq"))
        .order_by("chain")
    ]
    checkpoints = _covering(spans)
    spans = [_extended(span, checkpoints.values()) for span in spans]
    asked = set(rows.order_by().values_list("pk", flat=True))
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        with archive.open("events.json", "w", force_zip64=True) as entry:
            _write_json(entry, spans, asked)
        with archive.open("events.csv", "w", force_zip64=True) as entry:
            _write_csv(entry, spans, asked)
        lines = [line for _number, line in sorted(checkpoints.items())]
        archive.writestr(CHECKPOINTS_FILE, "".join(f"{line}\n" for line in lines))
        key = settings.AUDIT_DIR / PUBLIC_KEY_FILE
        archive.writestr(PUBLIC_KEY_FILE, key.read_bytes() if key.exists() else b"")
        archive.writestr("verify.py", VERIFIER.read_bytes())
        archive.writestr("README.txt", README)


def _covering(spans: list[Span]) -> dict[int, str]:
    """Lines of the first checkpoint that stands for each span's end, or of the last there is."""
    path = settings.AUDIT_DIR / CHECKPOINTS_FILE
    if not path.exists():
        return {}
    chosen: dict[int, tuple[int, str]] = {}
    waiting = {span.chain: span.last for span in spans}
    with path.open(encoding="ascii", errors="replace") as file:
        for text in file:
            line = text.rstrip("\n")
            try:
                checkpoint = Checkpoint.from_line(line)
            except ValueError:
                continue  # damaged: verify_audit names it; it can stand for nothing here
            for chain in list(waiting):
                if chain in checkpoint.heads:
                    chosen[chain] = (checkpoint.number, line)
                    if checkpoint.heads[chain][0] >= waiting[chain]:
                        del waiting[chain]
            if not waiting:
                break
    return dict(chosen.values())


def _extended(span: Span, lines: Any) -> Span:
    """Up to where a chosen checkpoint saw the chain, if that is further."""
    seen = [Checkpoint.from_line(line).heads.get(span.chain, (0, ""))[0] for line in lines]
    further = [seq for seq in seen if seq >= span.last]
    return Span(span.chain, span.first, min(further, default=span.last))


def _events(spans: list[Span], asked: set[int]) -> Iterator[dict[str, Any]]:
    for span in spans:
        wanted = Q(chain=span.chain, seq__gte=span.first, seq__lte=span.last)
        rows = AuditEvent.objects.filter(wanted).select_related("detail").order_by("seq")
        for row in rows.iterator(chunk_size=CHUNK):
            yield _event(row, matches=row.pk in asked)


def _event(row: AuditEvent, *, matches: bool) -> dict[str, Any]:
    stated = {name: getattr(row, name) for name in export_verifier.HASHED}
    detail = getattr(row, "detail", None) if matches else None
    return {
        **stated,
        "at": row.at.isoformat(timespec="microseconds"),
        "hash": row.hash,
        "matches": matches,
        "detail": {"salt": detail.salt, "body": detail.body} if detail else None,
    }


def _write_json(entry: IO[bytes], spans: list[Span], asked: set[int]) -> None:
    separator = "[\n"
    for event in _events(spans, asked):
        entry.write(f"{separator}{json.dumps(event)}".encode())
        separator = ",\n"
    entry.write(b"\n]\n" if separator == ",\n" else b"[]\n")


def _write_csv(entry: IO[bytes], spans: list[Span], asked: set[int]) -> None:
    with TextIOWrapper(entry, "utf-8", newline="") as text:
        table = csv.DictWriter(text, export_verifier.COLUMNS, lineterminator="\r\n")
        table.writeheader()
        for event in _events(spans, asked):
            table.writerow(export_verifier.csv_row(event))
