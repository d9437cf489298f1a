#!/usr/bin/env python3
"""Check an export of an Unmask audit trail. Needs Python 3.9 and `pip install cryptography`.

    python verify.py [folder] [--public-key KEY]

The folder holds events.json, events.csv, checkpoints.jsonl and public_key. Give the public key
that you had before the export: one that came along proves only that the files fit each other.
Exits with 0 if all of it holds, 2 if something was changed, 3 if events are newer than the last
checkpoint, so that they fit their chain and nobody has signed for them yet.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASHED = (
    "action",
    "actor_id",
    "actor_role",
    "chain",
    "change",
    "detail_commitment",
    "key_prefix",
    "prev_hash",
    "request_id",
    "seq",
    "target_id",
    "target_sha256",
    "target_type",
)
COLUMNS = (*HASHED, "at", "hash", "matches", "detail")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class BrokenError(Exception):
    """Which file and place does not hold."""


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def event_hash(event: dict[str, Any]) -> str:
    passed = datetime.fromisoformat(event["at"]) - EPOCH
    at_us = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    hashed = {name: event[name] for name in HASHED}
    return sha256(canonical({**hashed, "at_us": at_us, "version": 1}))


def check_events(events: list[dict[str, Any]]) -> None:
    """Every hash, every link to the event before, every text that an event committed to."""
    last: dict[int, dict[str, Any]] = {}
    for event in events:
        place = f"events.json: chain {event['chain']}, event {event['seq']}"
        if set(event) != set(COLUMNS):
            raise BrokenError(f"{place} has other columns than an event has")
        if event_hash(event) != event["hash"]:
            raise BrokenError(f"{place} is not what its hash says")
        before = last.get(event["chain"])
        if before and (event["seq"], event["prev_hash"]) != (before["seq"] + 1, before["hash"]):
            raise BrokenError(f"{place} does not follow the one before it")
        detail = event["detail"]
        if detail and sha256(f"{detail['salt']}:{detail['body']}") != event["detail_commitment"]:
            raise BrokenError(
                f"{place}: the text about persons is not the one it was recorded with"
            )
        last[event["chain"]] = event


def check_checkpoints(lines: list[str], key: Ed25519PublicKey) -> dict[tuple[int, int], str]:
    """Where each chain stood when a checkpoint was signed: {(chain, seq): hash}.

    What a checkpoint saw and a later one states as lost, since a backup was restored, is left out.
    """
    heads: list[tuple[int, int, int, str]] = []
    lost: list[tuple[int, int, int]] = []
    for number, line in enumerate(lines, start=1):
        try:
            stated = json.loads(line)
            signature = bytes.fromhex(stated.pop("signature"))
            key.verify(signature, canonical(stated).encode("ascii"))
            place = int(stated["number"])
            heads += [(place, int(c), seq, head) for c, (seq, head) in stated["heads"].items()]
            gaps = stated.get("lost", {}).items()
            lost += [(int(c), kept, until) for c, (kept, _seen, until) in gaps]
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError):
            raise BrokenError(f"checkpoints.jsonl: line {number} is not what was signed") from None
    return {
        (chain, seq): head
        for place, chain, seq, head in heads
        if not any(chain == c and seq > kept and place <= until for c, kept, until in lost)
    }


def check_covered(
    events: list[dict[str, Any]], heads: dict[tuple[int, int], str]
) -> tuple[int, int]:
    """Numbers of events that a checkpoint stands for, and of those newer than all of them."""
    signed_to: dict[int, int] = {}
    for event in events:
        place = (event["chain"], event["seq"])
        if place in heads:
            if heads[place] != event["hash"]:
                raise BrokenError(
                    f"events.json: chain {place[0]}, event {place[1]} was another one "
                    "when its checkpoint was signed"
                )
            signed_to[event["chain"]] = event["seq"]
    signed = sum(event["seq"] <= signed_to.get(event["chain"], 0) for event in events)
    return signed, len(events) - signed


def check_csv(events: list[dict[str, Any]], rows: list[dict[str, str]]) -> None:
    """The table says the same as events.json."""
    stated = [csv_row(event) for event in events]
    if len(rows) != len(stated):
        raise BrokenError(f"events.csv holds {len(rows)} events, events.json {len(stated)}")
    for event, ours, theirs in ((event, stated[at], rows[at]) for at, event in enumerate(events)):
        if ours != theirs:
            raise BrokenError(f"events.csv: chain {event['chain']}, event {event['seq']} differs")


def csv_row(event: dict[str, Any]) -> dict[str, str]:
    """An event as a row of the table; text that a spreadsheet would run as a formula is quoted."""
    values = {name: event[name] for name in COLUMNS}
    values["detail"] = event["detail"]["body"] if event["detail"] else ""
    values["actor_id"] = "" if event["actor_id"] is None else event["actor_id"]
    values["matches"] = "yes" if event["matches"] else "no"
    texts = {name: str(value) for name, value in values.items()}
    return {
        n: f"'{text}" if text[:1] in ("=", "+", "-", "@") else text for n, text in texts.items()
    }


def given_key(text: str | None) -> str:
    """The key that somebody kept: its digits, or the file that holds them; empty without one."""
    if not text:
        return ""
    path = Path(text)
    key = (path.read_text("ascii") if len(text) != 64 and path.is_file() else text).strip().lower()
    if not re.fullmatch("[0-9a-f]{64}", key):
        raise SystemExit("--public-key is neither 64 hexadecimal digits nor a file with them")
    return key


def main() -> int:
    parser = argparse.ArgumentParser(description="Check an export of an Unmask audit trail.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--public-key", help="64 hexadecimal digits you kept, or a file with them")
    options = parser.parse_args()
    folder = options.folder
    try:
        stated_key = (folder / "public_key").read_text("ascii").strip()
        given = given_key(options.public_key)
        if given and given != stated_key:
            raise BrokenError("public_key is not the key you gave")
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(stated_key))
        events = json.loads((folder / "events.json").read_text("utf-8"))
        with (folder / "events.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        lines = (folder / "checkpoints.jsonl").read_text("ascii").splitlines()
        check_events(events)
        check_csv(events, rows)
        signed, newer = check_covered(events, check_checkpoints(lines, key))
    except (BrokenError, OSError, ValueError, KeyError, TypeError) as error:
        print(f"CHANGED: {error}", file=sys.stderr)
        return 2
    asked = sum(event["matches"] for event in events)
    print(f"{asked} events that were asked for, {len(events) - asked} that link them: unchanged.")
    print(f"{signed} of them stood in the trail when a checkpoint was signed.")
    if not options.public_key:
        print("Compare the public key with one you had before: " + stated_key)
    if newer:
        print(f"{newer} are newer than the last checkpoint: nobody has signed for them yet.")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
