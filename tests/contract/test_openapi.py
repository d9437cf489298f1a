"""The API does what its OpenAPI document says, whoever asks and whatever they send.

Schemathesis makes requests from the document, good ones and bad ones, sends them as each role and
holds every answer against it.
"""

import functools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, strategies
from hypothesis import settings as hypothesis_settings
from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
)

from accounts import authentication
from deepfake_site.rate_limits import Limit
from deepfake_site.wsgi import application
from detection.models import Detection, IdempotencyKey
from detection.services import case_notes, cases, image_search, review
from tests import images
from tests.factories import detection_row, done_row
from tests.undone import undone

pytestmark = [pytest.mark.usefixtures("model_version"), pytest.mark.contract]
EXAMPLES = int(os.environ.get("UNMASK_CONTRACT_EXAMPLES", "10"))  # of each operation
# To others than the owner's program an operation says no, or the same: a few requests show which.
FEWER = max(2, EXAMPLES // 5)


@functools.cache
def _files() -> tuple[bytes, ...]:
    photographs = (images.jpeg_bytes(48, 48, seed=n) for n in range(6))
    return (*photographs, images.png_bytes(40, 40), images.webp_bytes(40, 40))


photographs = strategies.deferred(lambda: strategies.sampled_from(_files()))
schemathesis.openapi.format("binary", photographs)


@schemathesis.serializer("application/offset+octet-stream")
def _as_it_is(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


schemathesis.openapi.format(
    "cursor", strategies.just("MC4wMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDE")
)


def _schema() -> Any:
    made = schemathesis.openapi.from_wsgi("/api/schema/", application)
    checks = made.config.checks
    # What a schema cannot say: a key that came before, an address that this desk does not fetch.
    accepted = checks.positive_data_acceptance
    accepted.expected_statuses = [*accepted.expected_statuses, "422"]
    # The tus protocol's own answer to another version of it.
    refused = checks.negative_data_rejection
    refused.expected_statuses = [*refused.expected_statuses, "412"]
    return made


schema, for_others = _schema(), _schema()
for_others.config.phases.coverage.enabled = False
ADDRESS = "https://receiver.invalid/hook"
ADDRESSES = ("url", "callback_url")


@pytest.fixture(autouse=True)
def _requests_stay_in_the_transaction_of_the_test() -> Iterator[None]:
    """As Django's own test client does it."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def _no_limits_and_no_patience(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detection.waiting.wait_for_end", lambda pk, seconds: False)
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    monkeypatch.setattr(image_search, "SEARCHES", Limit(1_000_000, 60))
    monkeypatch.setattr(authentication, "BAD_KEYS_FROM_ADDRESS", Limit(1_000_000, 60))


@pytest.fixture(params=["owner_key"])  # or the tests of all operations would have one name
def owner(alice: Any, key_of: Callable[..., str]) -> dict[str, str]:
    """The headers of alice's program, which may do everything."""
    return {"Authorization": f"Bearer {key_of(alice)}"}


@pytest.fixture(params=["others"])
def others(
    alice: Any, bob: Any, carol: Any, dora: Any, key_of: Callable[..., str]
) -> dict[str, dict[str, str]]:
    """The headers of every other caller."""
    client = Client()
    client.force_login(alice)
    cookies = "; ".join(f"{c.key}={c.value}" for c in client.cookies.values())
    keys = {
        "a key that reads": key_of(alice, "detections:read"),
        "a stranger's key": key_of(bob),
        "a reviewer's key": key_of(carol),
        "an admin's key": key_of(dora),
    }
    of_keys = {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
    return {**of_keys, "a session": {"Cookie": cookies}, "nobody": {}}


def _hypothesis(examples: int) -> Callable[..., Any]:
    return hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@schema.parametrize()
@_hypothesis(EXAMPLES)
def test_every_answer_is_a_documented_one(case: Case, owner: dict[str, str], rows: Any) -> None:
    _hold(case, owner)


@for_others.parametrize()
@_hypothesis(FEWER)
def test_so_is_every_answer_to_others(
    case: Case, others: dict[str, dict[str, str]], rows: Any
) -> None:
    for name, headers in others.items():
        with undone():
            try:
                _hold(case, headers)
            except BaseException as error:
                error.add_note(f"asked by: {name}")
                raise


def _hold(case: Case, headers: dict[str, str]) -> None:
    """Make the request, and hold its answer against the document."""
    IdempotencyKey.objects.all().delete()  # or the same key would come with another request
    if case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        # which addresses are acceptable no schema says either
        case.body = {**case.body, **{name: ADDRESS for name in ADDRESSES if name in case.body}}
    case.call_and_validate(headers=headers, excluded_checks=_not_said_by_it(case))


def _not_said_by_it(case: Case) -> list[Any]:
    """Checks that this request cannot be held against."""
    if case.operation.path.startswith("/api/v1/uploads"):
        # a protocol of its own, which a client of its own tests
        return [positive_data_acceptance, missing_required_header]
    if isinstance(case.body, dict) and "\\u0000" in json.dumps(case.body.get("metadata")):
        return [positive_data_acceptance]  # a schema cannot forbid NUL anywhere inside of an object
    body = case.meta.components.get(ParameterLocation.BODY)
    if body and body.mode.is_negative and isinstance(case.body, dict):
        # A form carries texts and files. What is wrong only before it becomes one (one file where
        # there should be a list with one; an empty part, which is left out) arrives as good.
        is_broken_rule = getattr(case.meta.phase.data, "location", None) is not None
        if not is_broken_rule or "" in case.body.values():
            return [negative_data_rejection]
    return []


@pytest.fixture
def rows(alice: Any, model_version: Any) -> list[Detection]:
    detections = [done_row(alice, model_version), detection_row(alice, model_version)]
    case = cases.create(by=alice, title="A story", tags=["flood"])
    cases.add_images(by=alice, case=case, images=[row.image for row in detections])
    case_notes.add_note(by=alice, case=case, text="A note")
    review.flag(by=alice, detection=detections[0])
    return detections
