"""After a backup was restored on purpose: stating what is lost, so that verification knows it.

The statement is a signed checkpoint and an event. It excuses the checkpoints that saw the lost
events from being held against the trail, and nothing else.
"""

from django.conf import settings

from accounts.audit_key import known_mac_key
from accounts.checkpoints import (
    CHECKPOINTS_FILE,
    PUBLIC_KEY_FILE,
    Checkpoint,
    opened,
    read_public_key,
    seal_loss,
)
from accounts.models.audit_event import AuditChain, AuditEvent
from accounts.verification import CHUNK, read_checkpoints, standing, verify


class NotOnlyRestored(Exception):  # noqa: N818 (it names what was found)
    """The trail differs in ways that no restored backup explains; nothing was stated."""


class NothingLost(Exception):  # noqa: N818 (it names what was found)
    """The trail holds every event that a checkpoint saw."""


def acknowledge_restore(*, reason: str) -> Checkpoint:
    """State which events the restored backup lacks.

    Raises:
        NotOnlyRestored: what is there is not whole in itself, or the checkpoints are not.
        NothingLost: there is nothing to state.
    """
    with opened() as file:
        path = settings.AUDIT_DIR / CHECKPOINTS_FILE
        public_key = settings.AUDIT_DIR / PUBLIC_KEY_FILE
        key = read_public_key(public_key) if public_key.exists() else None
        if (mac_key := known_mac_key()) is None:
            raise NotOnlyRestored("the audit key is not at hand")
        lines, findings = read_checkpoints(path, key)
        findings += verify(None, None, mac_key).findings
        if findings:
            raise NotOnlyRestored("; ".join(map(str, findings)))
        lost = _lost(lines)
        if not lost:
            raise NothingLost
        return seal_loss(file, lost, reason=reason)


def _lost(lines: list[Checkpoint]) -> dict[int, tuple[int, int, int]]:
    """By chain: the last event kept, the last one seen, the last checkpoint that saw a lost one."""
    signed = list(standing(lines))
    here = _hashes({(chain, seq) for chain, seq, _, _ in signed})
    heads = dict(AuditChain.objects.values_list("number", "seq"))
    found: dict[int, tuple[int, int, int]] = {}
    for chain in sorted({entry[0] for entry in signed}):
        of_chain = [entry[1:] for entry in signed if entry[0] == chain]
        gone = [(s, number) for s, head, number in of_chain if here.get((chain, s)) != head]
        if not gone:
            continue
        first = min(s for s, _ in gone)
        # Where the backup ended is known until the first new event; later, only the last
        # checkpoint that still holds says up to where at least the trail is the old one.
        held = [s for s, head, _ in of_chain if here.get((chain, s)) == head and s < first]
        kept = heads[chain] if heads[chain] < first else max(held, default=0)
        found[chain] = (kept, max(s for s, _ in gone), max(number for _, number in gone))
    return found


def _hashes(places: set[tuple[int, int]]) -> dict[tuple[int, int], str]:
    rows = AuditEvent.objects.values_list("chain", "seq", "hash").iterator(chunk_size=CHUNK)
    return {(chain, seq): head for chain, seq, head in rows if (chain, seq) in places}
