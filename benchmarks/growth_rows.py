"""The rows that `benchmarks.growth` looks things up among.

Images, detections, requests and history as `benchmarks.history_search` makes them; here what else a
desk of that age has: as many audit events as images, in chains that verify, reviews and cases.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from psycopg2.extras import execute_values

from benchmarks import history_search

BATCH = 2000
RARE = 20  # events of the one who did little, and of the rare action: all in the oldest twentieth
CASES, IN_A_CASE = 10_000, 5  # at most so many, and no more than one for 100 images
OF_IMAGES = """SELECT s.id, d.id, i.sha256, i.owner_id, d.created_at FROM detection_image i
JOIN detection_detection d ON d.image_id = i.id JOIN detection_submission s ON s.image_id = i.id
WHERE i.width % 2 = 0 ORDER BY i.width DESC"""
NEXT_ID = """SELECT setval(pg_get_serial_sequence('accounts_auditevent', 'id'), max(id))
FROM accounts_auditevent"""
NO_SALT = "0" * 64
NOTHING_ELSE = {"actor_id": None, "actor_role": "", "key_prefix": "", "target_sha256": ""}
NOTHING_ELSE |= {"change": '{"after":{},"before":{}}', "request_id": ""}
Columns = dict[str, Any]


def prepare(rows: int) -> Columns:
    """Fill the database, or go on where an earlier call was stopped; people by their name."""
    from accounts.models import AuditEvent, User
    from detection.models import Case, ReviewItem

    made = history_search.prepare(rows)
    for name, role in (("seldom", User.Role.MODERATOR), ("lead", User.Role.ADMIN)):
        email = f"{name}@example.org"
        made[name] = User.objects.filter(email=email).first() or User.objects.create_user(
            email, "x" * 12, role=role
        )
    if not AuditEvent.objects.filter(target_type="detection").exists():
        _write_trail(made, rows)
    if not ReviewItem.objects.exists():
        _write_reviews(made)
    if Case.objects.count() < 2:
        _write_cases(made, min(CASES, rows // 100))
        _analyze()
    return made


def _write_trail(made: Columns, rows: int) -> None:
    from django.db import transaction

    with transaction.atomic():
        _append(_events(made, rows))


def _append(found: Iterator[tuple[int, Columns, str]]) -> None:
    """Events in their order, each in its chain; the text apart is the file's name.

    By plain rows: as models they would take five times as long.
    """
    from accounts.audit_key import mac_key, mac_of
    from accounts.models import AuditChain, AuditEvent
    from accounts.models.audit_event import HASHED_COLUMNS, canonical, commitment, hash_of

    key, pk = mac_key(), AuditEvent.objects.order_by("-id").values_list("id", flat=True).first()
    heads = {chain.number: chain for chain in AuditChain.objects.all()}
    events: list[tuple[Any, ...]] = []
    details: list[tuple[Any, ...]] = []
    number_of = count((pk or 0) + 1)
    for number, columns, name in found:
        head, body = heads[number], canonical({"file_name": name}) if name else ""
        said = commitment(NO_SALT, body) if body else ""
        values = {**NOTHING_ELSE, **columns, "chain": number, "detail_commitment": said}
        values |= {"seq": head.seq + 1, "prev_hash": head.head}
        hashed = [values[column] for column in HASHED_COLUMNS]
        head.seq, head.head, pk = head.seq + 1, hash_of(hashed), next(number_of)
        events.append((pk, head.head, mac_of(key, head.head), *hashed))
        if body:
            details.append((pk, NO_SALT, body))
        if len(events) == BATCH:
            _insert(events, details)
    _insert(events, details)
    AuditChain.objects.bulk_update(heads.values(), ["seq", "head"])


def _insert(events: list[tuple[Any, ...]], details: list[tuple[Any, ...]]) -> None:
    from django.db import connection

    from accounts.models.audit_event import HASHED_COLUMNS

    event_columns = ", ".join(("id", "hash", "mac", *HASHED_COLUMNS))
    with connection.cursor() as cursor:
        for table, columns, rows in (
            ("accounts_auditevent", event_columns, events),
            ("accounts_auditdetail", "event_id, salt, body", details),
        ):
            into = f"INSERT INTO {table} ({columns}) VALUES "
            if connection.vendor == "postgresql":
                execute_values(cursor.cursor, into + "%s", rows, page_size=BATCH)
            elif rows:
                cursor.executemany(into + f"({', '.join(['%s'] * len(rows[0]))})", rows)
            rows.clear()
        if connection.vendor == "postgresql":
            cursor.execute(NEXT_ID)


def _events(made: Columns, rows: int) -> Iterator[tuple[int, Columns, str]]:
    """Chain, columns and file name of two events for every second image, and of the rare ones."""
    from accounts.audit import chain_of

    rarely = max(1, rows // 2 // 20 // RARE)
    for n, (request, detection, sha256, owner, at) in enumerate(_images()):
        about = {"target_id": detection, "target_type": "detection", "target_sha256": sha256}
        of_owner = chain_of(owner)
        accepted = about | {"target_type": "submission", "target_id": request}
        yield (
            of_owner,
            _event("submission.accepted", at, accepted, owner, "journalist"),
            f"img{n}.jpg",
        )
        done = _event("detection.completed", at + timedelta(seconds=9), about)
        yield of_owner, done | {"change": ENDED}, ""
        if n % rarely == 0 and n // rarely < RARE:
            look = _event("report.viewed", at, about, made["seldom"].pk, "moderator")
            yield of_owner, look, ""
            promoted = {"target_type": "modelversion", "target_id": str(made["old"].pk)}
            yield 0, _event("model_version.promoted", at, promoted, made["lead"].pk, "admin"), ""


ENDED = (
    '{"after":{"artifact_sha256":"' + "0" * 64 + '","attempt":1,"failure_code":"","probability":'
    '0.25,"reasons":[],"status":"done","verdict":"inconclusive"},"before":{"status":"running"}}'
)


def _event(
    action: str, at: datetime, about: Columns, actor: int | None = None, role: str = ""
) -> Columns:
    return {"action": action, "at": at, "actor_id": actor, "actor_role": role, **about}


def _images() -> Iterator[tuple[str, str, str, int, datetime]]:
    """Submission, detection, SHA-256, owner and moment of every second image, oldest first."""
    import uuid
    from datetime import UTC

    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(OF_IMAGES)
        for request, detection, sha256, owner, at in cursor.fetchall():
            moment = datetime.fromisoformat(at) if isinstance(at, str) else at
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            yield (
                str(uuid.UUID(str(request))),
                str(uuid.UUID(str(detection))),
                sha256,
                owner,
                moment,
            )


def _write_reviews(made: Columns) -> None:
    """One detection in ten has been reviewed, one in a hundred waits for it."""
    from detection.models import Decision, Detection, ReviewItem
    from detection.services.review_rules import URGENCY

    chance = random.Random(20261128)
    items, decisions = [], []
    found = Detection.objects.filter(image__is_confidential=False, status="done")
    for pk, at in found.order_by("created_at").values_list("pk", "created_at").iterator():
        drawn = chance.random()
        if drawn > 0.11:
            continue
        reason = chance.choice([*URGENCY])
        item = ReviewItem(detection_id=pk, reasons=[reason], urgency=URGENCY[reason], created_at=at)
        if drawn > 0.01:
            item.status, item.closed_at, item.outcome = "closed", at, "authentic"
            decisions.append(
                Decision(
                    item=item, by=made["mod"], outcome="authentic", reason="other", created_at=at
                )
            )
        items.append(item)
    ReviewItem.objects.bulk_create(items, batch_size=BATCH)
    Decision.objects.bulk_create(decisions, batch_size=BATCH)


def _write_cases(made: Columns, wanted: int) -> None:
    from detection.models import Case, CaseImage, Image

    ids = Image.objects.filter(owner=made["many"]).order_by("-created_at").values_list("pk")
    images = [pk for (pk,) in ids[: wanted * IN_A_CASE]]
    cases = [Case(owner=made["many"], title=f"case {n}") for n in range(wanted)]
    Case.objects.bulk_create(cases, batch_size=BATCH)
    CaseImage.objects.bulk_create(
        [
            CaseImage(
                case=cases[n // IN_A_CASE],
                image_id=pk,
                image_owner=made["many"],
                added_by=made["many"],
            )
            for n, pk in enumerate(images)
        ],
        batch_size=BATCH,
    )


def _analyze() -> None:
    """As a desk's own database is: PostgreSQL knows its rows by autovacuum, SQLite by nothing."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("DELETE FROM sqlite_stat1")
    connection.close()  # what is known is read when a file is opened
