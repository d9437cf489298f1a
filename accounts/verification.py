"""Whether the audit trail is what was written: every event, link, detail and checkpoint.

What a chain cannot show is shown by checkpoints; what neither can show is stated: events that were
never written, and whatever somebody did who holds database, data folder and signing key since the
last copy of the checkpoints left the machine.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from accounts.audit_key import mac_of
from accounts.checkpoints import RESTORED, SEALED, Checkpoint, current_heads
from accounts.models.audit_event import (
    GENESIS,
    HASHED_COLUMNS,
    SYSTEM_CHAIN,
    AuditDetail,
    AuditEvent,
    commitment,
    hash_of,
)

CHUNK = 5_000
KEYED = "audit.keyed"  # says how far back events have no MAC


class Kind(StrEnum):
    """What is wrong at a place."""

    EDITED = "edited"  # the event is not what its hash says
    MISSING = "missing"  # events are gone from the middle
    FORGED = "forged"  # a well-made event, written by somebody without the application's secret
    BROKEN_LINK = "broken_link"  # the event does not follow the one before it
    CUT_OFF = "cut_off"  # events at the end are gone, or an old backup was restored
    BEYOND_HEAD = "beyond_head"  # an event that the chain's head does not know
    REWRITTEN = "rewritten"  # another event stood here when the checkpoint was signed
    DETAIL_EDITED = "detail_edited"  # the text apart is not what the event committed to
    CHECKPOINT_EDITED = "checkpoint_edited"  # the line is not what was signed
    CHECKPOINT_MISSING = "checkpoint_missing"  # a line is gone, or all of them are


@dataclass(frozen=True)
class Finding:
    """One broken place.

    Attributes:
        chain, seq: of the event; None for a checkpoint.
        checkpoint: the number of the checkpoint that shows it, where one does.
    """

    kind: Kind
    chain: int | None = None
    seq: int | None = None
    checkpoint: int | None = None

    def __str__(self) -> str:
        place = "" if self.chain is None else f" chain {self.chain}, event {self.seq}"
        shown = "" if self.checkpoint is None else f" checkpoint {self.checkpoint}"
        return f"{self.kind}:{place}{',' if place and shown else ''}{shown}"


@dataclass(frozen=True)
class Gap:
    """Events that are known to be gone since somebody restored a backup, and said so."""

    chain: int
    first: int
    last: int
    checkpoint: int
    at: str

    def __str__(self) -> str:
        return (
            f"Known gap: chain {self.chain}, events {self.first} to {self.last} were lost when a "
            f"backup was restored; stated in checkpoint {self.checkpoint} at {self.at}."
        )


@dataclass
class Verification:
    """What was looked at, and the first broken place of every chain and of the checkpoints."""

    events: int = 0
    erased: int = 0
    checkpoints: int = 0
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


Heads = Mapping[int, tuple[int, str]]


def verify(
    checkpoints: Path | None, key: Ed25519PublicKey | None, mac_key: bytes | None
) -> Verification:
    """Look at everything once.

    Args:
        checkpoints: the file, ours or a copy kept elsewhere; None where there is none to ask.
        key: the public key that its lines must be signed with.
        mac_key: the key of the events' MACs; None where it is not at hand, and then an event that
            somebody appended behind the application's back is not told from a true one.
    """
    result = Verification()
    lines, findings = read_checkpoints(checkpoints, key)
    result.checkpoints = len(lines)
    result.gaps = [
        Gap(chain, kept + 1, seen, one.number, one.at)
        for one in lines
        for chain, (kept, seen, _until) in one.lost.items()
    ]
    wanted: dict[tuple[int, int], tuple[str, int]] = {}
    seen: dict[int, tuple[int, int]] = {}
    for chain, seq, head, number in standing(lines):
        wanted.setdefault((chain, seq), (head, number))
        seen[chain] = max(seen.get(chain, (0, 0)), (seq, number))
    ends, broken = _walk(result, wanted, mac_key)
    findings += [*broken.values(), *_ends(ends, seen, broken), *_details(result)]
    findings += _sealed(lines) if checkpoints is not None else []
    result.findings = findings
    return result


def standing(lines: list[Checkpoint]) -> Iterator[tuple[int, int, str, int]]:
    """(chain, seq, hash, checkpoint) that must hold: all that was signed, but for known gaps."""
    lost = [(chain, kept, until) for one in lines for chain, (kept, _, until) in one.lost.items()]
    for one in lines:
        for chain, (seq, head) in one.heads.items():
            if not any(chain == c and seq > kept and one.number <= to for c, kept, to in lost):
                yield chain, seq, head, one.number


def _walk(
    result: Verification,
    wanted: Mapping[tuple[int, int], tuple[str, int]],
    mac_key: bytes | None,
) -> tuple[dict[int, tuple[int, str]], dict[int, Finding]]:
    """Every event in its order; gives the end of each chain and its first broken place."""
    ends: dict[int, tuple[int, str]] = {}
    broken: dict[int, Finding] = {}
    older = _older_than_macs(mac_key) if mac_key else {}
    rows = AuditEvent.objects.order_by("chain", "seq").values_list("hash", "mac", *HASHED_COLUMNS)
    for stored, mac, *columns in rows.iterator(chunk_size=CHUNK):
        result.events += 1
        chain, seq, prev_hash = columns[:3]
        last_seq, last_hash = ends.get(chain, (0, GENESIS))
        ends[chain] = (seq, stored)
        if chain in broken:
            continue
        if seq != last_seq + 1:
            broken[chain] = Finding(Kind.MISSING, chain, last_seq + 1)
        elif hash_of(columns) != stored:
            broken[chain] = Finding(Kind.EDITED, chain, seq)
        elif prev_hash != last_hash:
            broken[chain] = Finding(Kind.BROKEN_LINK, chain, seq)
        elif mac_key and not _is_ours(mac_key, stored, mac, is_older=seq <= older.get(chain, 0)):
            broken[chain] = Finding(Kind.FORGED, chain, seq)
        elif (chain, seq) in wanted and wanted[chain, seq][0] != stored:
            broken[chain] = Finding(Kind.REWRITTEN, chain, seq, wanted[chain, seq][1])
    return ends, broken


def _is_ours(mac_key: bytes, event_hash: str, mac: str, *, is_older: bool) -> bool:
    return mac == mac_of(mac_key, event_hash) or (is_older and not mac)


def _older_than_macs(mac_key: bytes) -> dict[int, int]:
    """Up to where each chain's events may lack a MAC, as one that has a valid one says."""
    rows = AuditEvent.objects.filter(chain=SYSTEM_CHAIN, action=KEYED).order_by("seq")
    for event in rows:
        is_whole = event.computed_hash() == event.hash
        if is_whole and _is_ours(mac_key, event.hash, event.mac, is_older=False):
            ends = json.loads(event.change)["after"]["older"]
            return {int(chain): seq for chain, seq in ends.items()}
    return {}


def _ends(
    ends: Heads, seen: Mapping[int, tuple[int, int]], broken: Mapping[int, Finding]
) -> Iterator[Finding]:
    """Chains that are shorter than a head or a checkpoint saw them, or longer than their head."""
    heads = current_heads()
    for chain in sorted({*ends, *heads, *seen} - set(broken)):
        seq, last = ends.get(chain, (0, GENESIS))
        head_seq, head = heads.get(chain, (0, GENESIS))
        seen_seq, number = seen.get(chain, (0, None))
        if seq < seen_seq:
            yield Finding(Kind.CUT_OFF, chain, seq + 1, number)
        elif seq < head_seq:
            yield Finding(Kind.CUT_OFF, chain, seq + 1)
        elif seq > head_seq:
            yield Finding(Kind.BEYOND_HEAD, chain, head_seq + 1)
        elif last != head:
            yield Finding(Kind.REWRITTEN, chain, seq)


def _details(result: Verification) -> Iterator[Finding]:
    """Text apart that is not what its event committed to; erased text is counted, not found."""
    committed = AuditEvent.objects.exclude(detail_commitment="").count()
    rows = AuditDetail.objects.order_by("event__chain", "event__seq").values_list(
        "event__chain", "event__seq", "event__detail_commitment", "salt", "body"
    )
    kept = 0
    first = None
    for chain, seq, stated, salt, body in rows.iterator(chunk_size=CHUNK):
        kept += 1
        if first is None and commitment(salt, body) != stated:
            first = Finding(Kind.DETAIL_EDITED, chain, seq)
    result.erased = max(0, committed - kept)
    if first:
        yield first


def read_checkpoints(
    path: Path | None, key: Ed25519PublicKey | None
) -> tuple[list[Checkpoint], list[Finding]]:
    """The lines up to the first that is wrong, and what is wrong with it."""
    if path is None or key is None or not path.exists():
        return [], []
    found: list[Checkpoint] = []
    for line in path.read_text("ascii", "replace").splitlines():
        number = len(found) + 1
        try:
            one = Checkpoint.from_line(line)
        except ValueError:
            return found, [Finding(Kind.CHECKPOINT_EDITED, checkpoint=number)]
        if not one.is_signed_by(key):
            return found, [Finding(Kind.CHECKPOINT_EDITED, checkpoint=number)]
        if one.number != number or one.previous != (found[-1].digest() if found else GENESIS):
            return found, [Finding(Kind.CHECKPOINT_MISSING, checkpoint=number)]
        found.append(one)
    return found, []


def _sealed(checkpoints: list[Checkpoint]) -> Iterator[Finding]:
    """Checkpoints that the chain knows and the file does not; the last may lack its event."""
    known = {one.number: one.digest() for one in checkpoints}
    events = AuditEvent.objects.filter(chain=SYSTEM_CHAIN, action__in=(SEALED, RESTORED)).order_by(
        "seq"
    )
    for change in events.values_list("change", flat=True).iterator(chunk_size=CHUNK):
        try:
            stated = json.loads(change)["after"]
            number, sha256 = stated["number"], stated["sha256"]
        except (ValueError, KeyError, TypeError):
            return  # an event that was edited, which the walk has found
        if number not in known:
            yield Finding(Kind.CHECKPOINT_MISSING, checkpoint=number)
            return
        if known[number] != sha256:
            yield Finding(Kind.CHECKPOINT_EDITED, checkpoint=number)
            return
