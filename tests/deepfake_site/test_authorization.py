"""Every address, as every role, by every method, against one table of who may do what.

The same walk looks at what each answer forbids a browser.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, User
from detection.batches import batches
from detection.models import (
    Batch,
    CaseNote,
    Comparison,
    DatasetImport,
    Detection,
    DriftAlert,
    GoldenImage,
    Image,
    LabelledImage,
    ModelVersion,
    Notice,
    Region,
    Rejudging,
    ReportLink,
    ResumableUpload,
    ReviewItem,
    SavedFilter,
    Snapshot,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.models.report import token_digests
from detection.services import case_notes, cases, datasets, layers, snapshots
from detection.services.webhooks import add_endpoint
from detection.tasks import run_detection
from tests import images, statements
from tests.conftest import PASSWORD
from tests.deepfake_site.access import (
    ANSWERS_ANYBODY,
    ANY,
    DECLARED,
    EVERYBODY,
    LABELLED_DATA,
    METHODS,
    NOT_FOR_NOBODY,
    PAST,
    PEOPLE,
    TOKEN,
    WRITES_NOTHING,
    Access,
)
from tests.deepfake_site.answers import lacking
from tests.detection.training_data import run_row
from tests.factories import report_row, submitted
from tests.undone import undone

pytestmark = pytest.mark.django_db

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LATER = timedelta(days=1)
# Whom a method is refused to does not hang on the database. Of another database than the first is
# asked what reads and writes, and what an address takes besides.
IS_FIRST_DATABASE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
ASKED = METHODS if IS_FIRST_DATABASE else ("GET", "POST")
# Whom the methods that an address does not name are asked of; everybody is asked GET and POST, and
# what it names.
ALL_METHODS_BY = frozenset({"admin", "owner_key", "nobody"})


def _routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, prefix + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield prefix + str(one.pattern)


ROUTES = sorted(set(_routes(get_resolver().url_patterns)))
OPERATORS = [route for route in ROUTES if route.startswith("admin/")]


@pytest.fixture
def image(alice: User, model_version: ModelVersion, fake_judgement: Any) -> Image:
    """Judged, with previews, original and report on disk, an upload of its detection's id, a
    webhook, a link to the report, an opinion of a reviewer."""
    add_endpoint(by=alice, url="https://192.0.2.1/hook", events=["detection.completed"])
    submission = submitted(alice, statements.thumbnail_jpeg(images.photo_like()))
    run_detection(str(submission.detection_id))
    ResumableUpload.objects.create(
        pk=submission.detection_id, owner=alice, size_bytes=9, expires_at=timezone.now() + LATER
    )
    detection = Detection.objects.select_related("image").get(pk=submission.detection_id)
    report = report_row(detection, alice, pk=detection.pk)
    link, _ = ReportLink.made(
        life="1", report=report, by=alice, shows_pictures=True, gives_original=True
    )
    link.pk, link.digest = detection.pk, token_digests(TOKEN)[0]
    link.save(force_insert=True)
    layer = layers.ask(image=submission.image, kind="noise")
    layers.draw(layer.pk, worker="test:1:1")
    box = {"left_px": 0, "top_px": 0, "width_px": 96, "height_px": 96}
    Region.objects.create(detection=submission.detection, by=alice, **box)
    _reviewed(detection)
    Notice.objects.create(
        pk=detection.pk, user=alice, detection=detection, kind=Notice.Kind.REVIEW_COMPLETED
    )
    return submission.image


def _reviewed(detection: Detection) -> None:
    """An open item with another moderator's opinion, and a truth that is known, all under the
    detection's id."""
    pk = detection.pk
    item = ReviewItem.objects.create(pk=pk, detection=detection, reasons=["flagged"])
    fran = User.objects.create_user("fran@example.org", PASSWORD, role=User.Role.MODERATOR)
    item.decisions.create(pk=pk, by=fran, outcome="authentic", reason="other")
    GoldenImage.objects.create(pk=pk, image=detection.image, outcome="authentic", added_by=fran)


class Desk:
    """Requests as a role, each in a browser of its own.

    Signing in costs as much as asking, so a session serves until something was done; and all ask
    one server, as browsers do.
    """

    def __init__(self, people: dict[str, User], keys: dict[str, str]) -> None:
        self.people, self.keys = people, keys
        self.server = Client().handler
        self.signed_in: dict[str, str] = {}

    def ask(self, role: str, method: str, address: str) -> HttpResponseBase:
        if role in self.keys:
            client = Client(headers={"Authorization": f"Bearer {self.keys[role]}"})
            client.handler = self.server
            return client.generic(method, address)
        answer = self._browser(role).generic(method, address)
        is_another = settings.SESSION_COOKIE_NAME in answer.cookies
        if is_another or (method not in SAFE and answer.status_code < 400):
            for person in self.people:  # what was done may have ended any session
                self.signed_in.pop(person, None)
        return answer

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is asked within it leaves nothing behind."""
        for role in self.people:
            self._browser(role)
        kept = dict(self.signed_in)
        with undone():
            yield
        self.signed_in = kept

    def _browser(self, role: str) -> Client:
        client = Client()
        client.handler = self.server
        if role in self.people and role not in self.signed_in:
            client.force_login(self.people[role])
            self.signed_in[role] = client.cookies.output(header="", sep=";")
        client.cookies = SimpleCookie(self.signed_in.get(role, ""))
        return client


@pytest.fixture
def desk(alice: User, bob: User, carol: User, dora: User, key_of: Callable[..., str]) -> Desk:
    people = {"owner": alice, "stranger": bob, "moderator": carol, "admin": dora}
    people["auditor"] = User.objects.create_user("eve@example.org", PASSWORD, is_auditor=True)
    keys = {
        "owner_key": key_of(alice),
        "stranger_key": key_of(bob),
        "reader_key": key_of(alice, "detections:read"),
        "revoked_key": key_of(alice),
    }
    ApiKey.objects.filter(prefix=keys["revoked_key"][4:12]).update(revoked_at=timezone.now())
    gone = User.objects.create_user("gone@example.org", PASSWORD, role=User.Role.ADMIN)
    left = Client()
    left.force_login(gone)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    made = Desk(people, keys)
    made.signed_in["disabled"] = left.cookies.output(header="", sep=";")
    return made


def _outcome(answer: HttpResponseBase) -> str:
    """Whether the role got through: its request was acted on, or refused for what it said."""
    if answer.status_code >= 500:
        return "broken"
    if answer.status_code in {301, 302} and "/login/" in answer.headers["Location"]:
        return "sign in"
    if answer.status_code in {401, 403, 404}:
        return "no"
    return "no such method" if answer.status_code == 405 else "yes"


def _address(
    route: str, detection: Any, image: Any, key: int = 0, others: dict[str, Any] | None = None
) -> str:
    """An address of this route, about this image and this key.

    Args:
        others: the rows that routes with these beginnings are about.
    """
    about = {"images/": image, **(others or {})}
    pk = next((row for start, row in about.items() if route.startswith(start)), detection)
    if "deliveries/<" in route:
        pk = WebhookDelivery.objects.values_list("pk", flat=True).first() or pk
    elif "webhooks/<" in route:
        pk = WebhookEndpoint.objects.values_list("pk", flat=True).first() or pk
    values = {
        "<uuid:pk>": str(pk),
        "<uuid:comparison_pk>": str(_comparison().pk),
        "<uuid:region_pk>": str(Region.objects.values_list("pk", flat=True).first() or pk),
        "<int:side>": "320",
        "<uuid:note>": str(CaseNote.objects.values_list("pk", flat=True).first() or uuid.uuid4()),
        "<uuid:detection>": str(detection),
        "<uuid:decision>": str(detection),
        "<int:pk>": str(key),
        "<slug:name>": "preview" if route.startswith("shared/") else "harbour",
        "<str:token>": TOKEN,
        "<slug:kind>": "noise",
        "<slug:target_type>": "image",
        "<str:target_id>": str(image),
        r"^confirm-email/(?P<key>[-:\w]+)/$": "confirm-email/abc/",
        "^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": "password/reset/key/1-a-b/",
        "<path:content_type_id>": "1",
        "<path:object_id>": "1",
        "^(?P<app_label>accounts|detection)/$": "accounts/",
        "(?P<url>.*)$": "nowhere",
    }
    for part, value in values.items():
        route = route.replace(part, value)
    assert not re.search(r"[<>()^$]", route), route
    return f"/{route}"


def test_every_address_is_in_the_table():
    assert len(OPERATORS) > 20
    assert set(ROUTES) - set(OPERATORS) == set(DECLARED)


ABOUT_AN_IMAGE = sorted(route for route, access in DECLARED.items() if access.secret is not None)


def _some(routes: Iterable[str]) -> list[Any]:
    """A few routes a test: what they are about takes longer to make than they take to ask."""
    return [pytest.param(some, id=some[0] or "upload") for some in batches(routes, 8)]


# Rules of views; what the rows themselves hide is asked again on each database, below.
@pytest.mark.any_database
@pytest.mark.parametrize("routes", _some(sorted(DECLARED)))
def test_nobody_does_what_the_table_does_not_say(routes, desk, image, alice):
    assert _beside_the_table(routes, desk, image, alice) == {}


@pytest.mark.any_database
@pytest.mark.parametrize("routes", _some(ABOUT_AN_IMAGE))
def test_nor_with_a_confidential_image(routes, desk, image, alice):
    Image.objects.filter(pk=image.pk).update(is_confidential=True)
    assert _beside_the_table(routes, desk, image, alice, is_secret=True) == {}


def _beside_the_table(
    routes: list[str], desk: Desk, image: Image, alice: User, *, is_secret: bool = False
) -> dict[tuple[str, ...], Any]:
    """What became of requests, of those that became something else than the table says."""
    with transaction.atomic():
        audit.record("image.downloaded", actor=alice, target=image, owner=alice)
    others = _rows_beside(image, alice)
    wrong: dict[tuple[str, ...], Any] = {}
    for route in routes:
        with desk.undone():
            about = others | _labelled_data(image, route)
            address = _address_of(route, image, alice, about)
            wrong |= _wrong_of(route, address, desk, is_secret=is_secret)
    return wrong


def _rows_beside(image: Image, alice: User) -> dict[str, Any]:
    """The rows that routes are about, by how these begin."""
    version = ModelVersion.objects.get()
    again = Rejudging.objects.create(version=version, by=alice).pk
    alert = DriftAlert.objects.create(rule="failures_up").pk
    return {
        "models/judge-again/": again,
        "api/v1/models/judge-again/": again,
        "api/v1/models/": version.pk,
        "api/v1/batches/": Batch.objects.create(by=alice, size=1).pk,
        "regions/": Region.objects.get(detection__image=image).pk,
        **dict.fromkeys(("models/", "api/v1/models/"), version.pk),
        **dict.fromkeys(("monitoring/", "api/v1/monitoring/"), alert),
        **dict.fromkeys(("cases/", "api/v1/cases/"), _case_of(alice, image)),
        **dict.fromkeys(("training/", "api/v1/training-runs/"), run_row().pk),
        "history/filters/": SavedFilter.objects.create(owner=alice, name="mine").pk,
    }


def _address_of(route: str, image: Image, alice: User, others: dict[str, Any]) -> str:
    # of a person, whoever has the lowest number: alice
    key = (
        alice.pk if route.startswith("people/") else alice.api_keys.usable().latest("created_at").pk
    )
    return _address(route, Detection.objects.get(image=image).pk, image.pk, key, others)


def _wrong_of(
    route: str, address: str, desk: Desk, *, is_secret: bool
) -> dict[tuple[str, ...], Any]:
    access = DECLARED[route]
    roles = access.secret if is_secret and access.secret is not None else access.roles
    wrong: dict[tuple[str, ...], Any] = {}
    for role in sorted(EVERYBODY):
        # a method that the address does not name asks nothing of the image
        for method in _asked_of(access, "" if is_secret else role):
            answer = desk.ask(role, method, address)
            got = _outcome(answer)
            if got not in _may(route, role in roles, role, method, access.methods):
                wrong[route, role, method] = got
            if headers := lacking(answer, address):
                wrong[route, role, method, "headers"] = headers
    return wrong


def _asked_of(access: Access, role: str = "nobody") -> list[str]:
    more = frozenset[str]() if access.methods == ANY else access.methods
    asked = ASKED if role in ALL_METHODS_BY else ("GET", "POST")
    return [method for method in METHODS if method in more or method in asked]


def _comparison() -> Comparison:
    """One of the only version with itself."""
    if row := Comparison.objects.first():
        return row
    version = ModelVersion.objects.get()
    snapshot = Snapshot.objects.create(name="first", sha256="a" * 64)
    return Comparison.objects.create(
        candidate=version, against=version, snapshot=snapshot, status="done"
    )


def _labelled_data(image: Image, route: str) -> dict[str, uuid.UUID]:
    """A dataset with an import, an image that was reviewed, and a snapshot; by their routes."""
    if not route.startswith(LABELLED_DATA):
        return {}
    dataset = datasets.create(by=None, name="Labelled", licence="CC0")
    row = DatasetImport.objects.create(dataset=dataset, path="/nowhere", name="set.zip")
    labelled = LabelledImage.objects.create(
        dataset=dataset, image=image, sha256=image.sha256, label=1, source="s", split="test"
    )
    # another picture: this one's truth is known, and such are frozen in none
    LabelledImage.objects.create(
        dataset=dataset, sha256="a" * 64, label=0, source="s", split="test"
    )
    frozen = snapshots.freeze([dataset], name="first", by=None)
    about = (dataset.pk, row.pk, labelled.pk, frozen.pk)
    ways = dict(zip(("datasets/", "imports/", "labelled/", "snapshots/"), about, strict=True))
    return ways | {f"api/v1/{way}": pk for way, pk in ways.items()}


def _case_of(owner: User, image: Image) -> uuid.UUID:
    """A case with this image and a note."""
    case = cases.create(by=owner, title="A story")
    cases.add_images(by=owner, case=case, images=[image], shares_confidential=True)
    case_notes.add_note(by=owner, case=case, text="A note")
    return case.pk


def _may(route: str, has_access: bool, role: str, method: str, methods: frozenset[str]) -> set[str]:
    """The outcomes that keep to the table."""
    refused = {"sign in", "no", "no such method"}
    is_known = route in ANSWERS_ANYBODY or role not in PAST | {"nobody"}
    if method == "OPTIONS" and route.startswith("api/") and is_known:
        return {*refused, "yes"}  # says what the address takes, whether there is a row or not
    if route in NOT_FOR_NOBODY and role not in PEOPLE:
        return refused
    if methods == ANY:
        return {*refused, "yes"}
    if not has_access:
        return refused
    is_api = route.startswith("api/")
    changes = method in {"POST", "PUT"} and route not in WRITES_NOTHING
    if role == "reader_key" and changes and is_api:
        return {"no", "no such method"}
    if method in methods:
        return {"yes"}
    return {"no such method", "yes"} if method in {"HEAD", "OPTIONS"} else {"no such method", "no"}


@pytest.mark.parametrize("routes", _some(ABOUT_AN_IMAGE))
def test_a_strangers_row_is_as_one_that_never_was(routes, desk, image):
    for route in routes:
        with desk.undone():
            _is_as_one_that_never_was(route, desk, image)


def _is_as_one_that_never_was(route: str, desk: Desk, image: Image) -> None:
    real = _address(route, Detection.objects.get(image=image).pk, image.pk)
    made_up = _address(route, uuid.uuid4(), uuid.uuid4())
    for role in ("nobody", "stranger", "auditor", "stranger_key"):
        for method in _asked_of(DECLARED[route]):
            answers = [desk.ask(role, method, address) for address in (real, made_up)]
            assert answers[0].status_code == answers[1].status_code, (route, role, method)
            bodies = [
                re.sub(rb'name="csrfmiddlewaretoken" value="\w+"|[0-9a-f-]{32,36}', b"", body)
                for body in map(_body, answers)
            ]
            assert bodies[0] == bodies[1], (route, role, method)


def _body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.mark.any_database  # Django's own pages, by rules that read no rows of ours
@pytest.mark.parametrize("routes", _some(OPERATORS))
def test_the_operators_site_is_for_administrators(routes, desk, model_version):
    for route in routes:
        with desk.undone():
            _is_for_administrators(route, desk)


def _is_for_administrators(route: str, desk: Desk) -> None:
    address = _address(route, "1", "1")
    is_sign_in = route in {"admin/login/", "admin/logout/"}
    for role in sorted(EVERYBODY):
        for method in ("GET", "POST"):
            answer = desk.ask(role, method, address)
            got = _outcome(answer)
            assert got != "broken", (route, role, method)
            assert not lacking(answer), (route, role, method)
            if role != "admin" and not is_sign_in:
                assert got in {"sign in", "no", "no such method"}, (route, role, method)


def test_administrators_change_no_domain_row_on_the_operators_site(desk, image):
    detection = Detection.objects.get(image=image)
    for model, pk in (("image", image.pk), ("detection", detection.pk)):
        for way in ("change", "delete"):
            answer = desk.ask("admin", "POST", f"/admin/detection/{model}/{pk}/{way}/")
            assert answer.status_code == 403
    assert desk.ask("admin", "POST", "/admin/detection/image/add/").status_code == 403
    assert desk.ask("admin", "POST", "/admin/accounts/auditevent/1/delete/").status_code == 403
