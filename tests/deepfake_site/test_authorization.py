"""Every address, as every role, by every method, against one table of who may do what.

The same walk looks at what each answer forbids a browser.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from tests.deepfake_site.answers import lacking
from tests.detection.training_data import run_row
from tests.factories import report_row, submitted

pytestmark = pytest.mark.django_db

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READ, WRITE = frozenset({"GET"}), frozenset({"POST"})
# Whom a method is refused to does not hang on the database. Of another database than the first is
# asked what reads and writes, and what an address takes besides.
IS_FIRST_DATABASE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
ASKED = METHODS if IS_FIRST_DATABASE else ("GET", "POST")
# Whom the methods that an address does not name are asked of; everybody is asked GET and POST, and
# what it names.
ALL_METHODS_BY = frozenset({"admin", "owner_key", "nobody"})
PEOPLE = frozenset({"owner", "stranger", "moderator", "admin", "auditor"})
KEYS = frozenset({"owner_key", "stranger_key", "reader_key"})
# They were somebody: whatever they had opens nothing more than it opens to nobody.
PAST = frozenset({"disabled", "revoked_key"})
EVERYBODY = PEOPLE | KEYS | PAST | {"nobody"}
SEES = frozenset({"owner", "moderator", "admin"})
ADMINS = frozenset({"admin"})
REVIEWERS = frozenset({"moderator", "admin"})
OWNER_KEY = frozenset({"owner_key"})


@dataclass(frozen=True)
class Access:
    """Who may reach an address, and by which methods; `secret` of a confidential image."""

    roles: frozenset[str]
    methods: frozenset[str]
    secret: frozenset[str] | None = None


def own(methods: frozenset[str], *keys: str) -> Access:
    """About one person's image: hers, and reviewers' unless she says that it is confidential."""
    return Access(SEES | set(keys), methods, frozenset({"owner", *keys}))


def own_key() -> Access:
    """About one person's API key or webhook: nobody else's, whatever their role."""
    return Access(frozenset({"owner"}), WRITE)


ANY = frozenset(METHODS)
TOKEN = "t" * 43
LATER = timedelta(days=1)
TRAIL = frozenset({"auditor", "admin"})
# allauth's own pages: it knows who may see them, and its forms take what they are given
SIGN_IN = Access(EVERYBODY, ANY)
OWNER = frozenset({"owner"})
REVIEWERS = frozenset({"moderator", "admin"})
REVIEWED = Access(REVIEWERS, WRITE, frozenset())
OWN_CASE = Access(OWNER, READ)
CASE_CALLERS = PEOPLE | {"owner_key", "stranger_key"}
DECLARED: dict[str, Access] = {
    "": Access(PEOPLE, READ | WRITE),
    "samples/<slug:name>": Access(PEOPLE, WRITE),
    "history": Access(PEOPLE, READ),
    "search/image": Access(PEOPLE, READ | WRITE),
    "history/change": Access(PEOPLE, WRITE),
    "history/export": Access(PEOPLE, WRITE),
    "history/filters": Access(PEOPLE, WRITE),
    "history/filters/<uuid:pk>": Access(frozenset({"owner"}), WRITE),
    "detections/<uuid:pk>": own(READ),
    "detections/<uuid:pk>/card": own(READ),
    "detections/<uuid:pk>/feedback": own(WRITE),
    "detections/<uuid:pk>/retry": own(WRITE),
    "detections/<uuid:pk>/judge-again": own(WRITE),
    "detections/<uuid:pk>/heatmap": own(READ),
    "detections/<uuid:pk>/layers": own(READ | WRITE),
    "detections/<uuid:pk>/layers/<slug:kind>": own(READ),
    "detections/<uuid:pk>/regions": own(WRITE),
    "regions/<uuid:pk>/card": own(READ),
    "regions/<uuid:pk>/preview": own(READ),
    "regions/<uuid:pk>/retry": own(WRITE),
    "images/<uuid:pk>/preview/<int:side>": own(READ),
    "images/<uuid:pk>/thumbnail": own(READ),
    "images/<uuid:pk>/original": own(READ),
    "images/<uuid:pk>/cases": own(WRITE),
    "cases": Access(PEOPLE, READ),
    "cases/new": Access(PEOPLE, READ | WRITE),
    # alice's alone: a case is nobody's but its owner's and the people's whom she adds
    "cases/<uuid:pk>": OWN_CASE,
    "cases/<uuid:pk>/edit": Access(OWNER, READ | WRITE),
    "cases/<uuid:pk>/state": Access(OWNER, WRITE),
    "cases/<uuid:pk>/history": OWN_CASE,
    "cases/<uuid:pk>/people": Access(OWNER, READ | WRITE),
    "cases/<uuid:pk>/judge-again": Access(OWNER, WRITE),
    "cases/<uuid:pk>/images": Access(OWNER, WRITE),
    "cases/<uuid:pk>/notes": Access(OWNER, WRITE),
    "cases/<uuid:pk>/notes/<uuid:note>": Access(OWNER, READ | WRITE),
    "cases/<uuid:pk>/report": OWN_CASE,
    "cases/<uuid:pk>/report.json": OWN_CASE,
    "account": Access(PEOPLE, READ | WRITE),
    "account/data": Access(PEOPLE, WRITE),
    "people": Access(ADMINS, READ),
    "people/invite": Access(ADMINS, READ | WRITE),
    "people/<int:pk>": Access(ADMINS, READ | WRITE),
    "people/<int:pk>/link": Access(ADMINS, WRITE),
    "people/<int:pk>/disable": Access(ADMINS, WRITE),
    "people/<int:pk>/reactivate": Access(ADMINS, WRITE),
    "people/<int:pk>/sign-out": Access(ADMINS, WRITE),
    "people/<int:pk>/factors": Access(ADMINS, WRITE),
    "people/<int:pk>/erase": Access(ADMINS, READ | WRITE),
    "images/<uuid:pk>/erase": Access(
        frozenset({"owner", "admin"}), READ | WRITE, frozenset({"owner"})
    ),
    "images/<uuid:pk>/hold": Access(frozenset({"moderator", "admin"}), READ | WRITE, frozenset()),
    "images/<uuid:pk>/training": Access(OWNER, WRITE, OWNER),
    "notices": Access(PEOPLE, READ),
    "notices/seen": Access(PEOPLE, WRITE),
    "notices/<uuid:pk>": Access(OWNER, READ, OWNER),
    "images/<uuid:pk>/confidential": Access(frozenset({"owner"}), WRITE, frozenset({"owner"})),
    "keys": Access(PEOPLE, READ | WRITE),
    "keys/<int:pk>/rotate": own_key(),
    "keys/<int:pk>/revoke": own_key(),
    "models": Access(REVIEWERS, READ),
    "models/roll-back": Access(ADMINS, READ | WRITE),
    "models/judge-again": Access(ADMINS, WRITE),
    "models/judge-again/<uuid:pk>": Access(ADMINS, READ),
    "models/judge-again/<uuid:pk>/cancel": Access(ADMINS, WRITE),
    "models/<uuid:pk>": Access(PEOPLE, READ),
    "models/<uuid:pk>/shadow": Access(REVIEWERS, READ),
    "models/<uuid:pk>/shadow/start": Access(ADMINS, WRITE),
    "models/<uuid:pk>/shadow/stop": Access(ADMINS, WRITE),
    "monitoring": Access(REVIEWERS, READ),
    "monitoring/figures.csv": Access(REVIEWERS, READ),
    "monitoring/figures.json": Access(REVIEWERS, READ),
    "monitoring/alerts/<uuid:pk>/acknowledge": Access(ADMINS, WRITE),
    "operations": Access(ADMINS, READ),
    "operations/retry": Access(ADMINS, READ | WRITE),
    # nothing of the image is shown, confidential or not
    "operations/failed/<uuid:pk>/retry": Access(ADMINS, WRITE),
    "models/<uuid:pk>/compare": Access(ADMINS, WRITE),
    "models/<uuid:pk>/compare/<uuid:comparison_pk>": Access(REVIEWERS, READ),
    "models/<uuid:pk>/compare/<uuid:comparison_pk>/promote": Access(ADMINS, WRITE),
    "datasets": Access(ADMINS, READ | WRITE),
    "datasets/<uuid:pk>": Access(ADMINS, READ),
    "datasets/<uuid:pk>/import": Access(ADMINS, WRITE),
    "imports/<uuid:pk>": Access(ADMINS, READ),
    "labelled/<uuid:pk>": Access(ADMINS, READ | WRITE),
    "labelled/<uuid:pk>/preview": Access(ADMINS, READ),
    "snapshots": Access(ADMINS, WRITE),
    "snapshots/<uuid:pk>": Access(ADMINS, READ),
    "expected-share": Access(ADMINS, READ | WRITE),
    "review": Access(REVIEWERS, READ),
    "review/next": Access(REVIEWERS, WRITE),
    "review/look": Access(REVIEWERS, WRITE),
    "review/change": Access(REVIEWERS, WRITE),
    "review/figures": Access(REVIEWERS, READ),
    "review/rules": Access(ADMINS, READ | WRITE),
    "review/golden": Access(ADMINS, READ),
    "review/golden/<uuid:pk>/retire": Access(ADMINS, WRITE),
    "review/<uuid:pk>": Access(REVIEWERS, READ | WRITE, frozenset()),
    "review/<uuid:pk>/lease": Access(REVIEWERS, WRITE, frozenset()),
    # theirs alone who decided
    "review/decisions/<uuid:pk>/undo": Access(frozenset(), WRITE, frozenset()),
    "detections/<uuid:pk>/review": own(WRITE),
    "detections/<uuid:pk>/golden": Access(ADMINS, READ | WRITE, frozenset()),
    "training": Access(ADMINS, READ | WRITE),
    "training/schedule": Access(ADMINS, READ | WRITE),
    "training/<uuid:pk>": Access(ADMINS, READ),
    "training/<uuid:pk>/card": Access(ADMINS, READ),
    "training/<uuid:pk>/cancel": Access(ADMINS, WRITE),
    "webhooks": Access(PEOPLE, READ | WRITE),
    "webhooks/callbacks": Access(PEOPLE, READ | WRITE),
    "webhooks/<uuid:pk>": Access(frozenset({"owner"}), READ | WRITE),
    "webhooks/<uuid:pk>/rotate": own_key(),
    "webhooks/<uuid:pk>/switch": own_key(),
    "webhooks/<uuid:pk>/delete": own_key(),
    "webhooks/<uuid:pk>/resend": own_key(),
    "deliveries/<uuid:pk>/resend": own_key(),
    "detections/<uuid:pk>/reports": own(WRITE),
    "reports/<uuid:pk>/pdf": own(READ),
    "reports/<uuid:pk>/json": own(READ),
    # hers who issued it, the owner's and an administrator's
    "reports/<uuid:pk>/revoke": Access(frozenset({"owner", "admin"}), WRITE, frozenset({"owner"})),
    "reports/<uuid:pk>/links": own(WRITE),
    "report-links/<uuid:pk>/revoke": Access(
        frozenset({"owner", "admin"}), WRITE, frozenset({"owner"})
    ),
    "verify-report": Access(EVERYBODY, READ | WRITE),
    # whoever has the address
    "shared/<str:token>": Access(EVERYBODY, READ),
    "shared/<str:token>/pdf": Access(EVERYBODY, READ),
    "shared/<str:token>/json": Access(EVERYBODY, READ),
    "shared/<str:token>/original": Access(EVERYBODY, READ),
    "shared/<str:token>/pictures/<slug:name>": Access(EVERYBODY, READ),
    "responsible-use": Access(EVERYBODY, READ),
    "audit": Access(TRAIL, READ),
    "audit/export": Access(TRAIL, WRITE),
    "audit/<slug:target_type>/<str:target_id>": Access(TRAIL, READ),
    "api/schema/": Access(EVERYBODY, READ),
    "api/docs/": Access(EVERYBODY, READ),
    "api/v1/detections": Access(PEOPLE | KEYS, READ | WRITE),
    "api/v1/detections/<uuid:pk>": own(READ, "owner_key", "reader_key"),
    "api/v1/detections/<uuid:pk>/heatmap": own(READ, "owner_key", "reader_key"),
    "api/v1/detections/<uuid:pk>/reports": own(READ | WRITE, "owner_key", "reader_key"),
    "api/v1/reports/keys": Access(EVERYBODY - {"revoked_key"}, READ),
    "api/v1/reports/<uuid:pk>": own(READ, "owner_key", "reader_key"),
    "api/v1/reports/<uuid:pk>/pdf": own(READ, "owner_key", "reader_key"),
    "api/v1/reports/<uuid:pk>/json": own(READ, "owner_key", "reader_key"),
    "api/v1/reports/<uuid:pk>/revoke": Access(
        frozenset({"owner", "admin", "owner_key"}), WRITE, frozenset({"owner", "owner_key"})
    ),
    "api/v1/detections/<uuid:pk>/evidence": own(READ | WRITE, "owner_key", "reader_key"),
    "api/v1/detections/<uuid:pk>/evidence/<slug:kind>": own(READ, "owner_key", "reader_key"),
    "api/v1/detections/<uuid:pk>/regions": own(READ | WRITE, "owner_key", "reader_key"),
    "api/v1/detections/<uuid:pk>/regions/<uuid:region_pk>": own(READ, "owner_key", "reader_key"),
    "api/v1/detections/<uuid:pk>/similar": own(READ, "owner_key", "reader_key"),
    "api/v1/similar": Access(PEOPLE | KEYS, WRITE),
    "api/v1/uploads": Access(PEOPLE | {"owner_key", "stranger_key"}, WRITE),
    # an upload is nobody's but its owner's: no reviewer sees it, and no key that only reads
    "api/v1/uploads/<uuid:pk>": Access(
        frozenset({"owner", "owner_key"}),
        frozenset({"HEAD", "PATCH", "DELETE"}),
        frozenset({"owner", "owner_key"}),
    ),
    "api/v1/detections/<uuid:pk>/review": own(WRITE, "owner_key"),
    "api/v1/reviews": Access(REVIEWERS, READ),
    "api/v1/reviews/next": Access(REVIEWERS, WRITE),
    # about a confidential image even a reviewer finds none
    "api/v1/reviews/<uuid:pk>": Access(REVIEWERS, READ, frozenset()),
    "api/v1/reviews/<uuid:pk>/claim": REVIEWED,
    "api/v1/reviews/<uuid:pk>/release": REVIEWED,
    "api/v1/reviews/<uuid:pk>/skip": REVIEWED,
    "api/v1/reviews/<uuid:pk>/escalate": REVIEWED,
    "api/v1/reviews/<uuid:pk>/reopen": REVIEWED,
    "api/v1/reviews/<uuid:pk>/decisions": REVIEWED,
    # an administrator's, and hers who decided
    "api/v1/reviews/<uuid:pk>/decisions/<uuid:decision>/undo": Access(ADMINS, WRITE, frozenset()),
    "api/v1/detections/<uuid:pk>/feedback": own(READ | WRITE | {"DELETE"}, "owner_key"),
    "api/v1/detections/<uuid:pk>/training-consent": Access(
        frozenset({"owner", "owner_key", "reader_key"}),
        READ | {"PUT"},
        frozenset({"owner", "owner_key", "reader_key"}),
    ),
    "api/v1/notices": Access(PEOPLE | KEYS, READ),
    "api/v1/notices/seen": Access(PEOPLE | {"owner_key", "stranger_key"}, WRITE),
    "api/v1/cases": Access(CASE_CALLERS, READ | WRITE),
    "api/v1/cases/<uuid:pk>": Access(OWNER | OWNER_KEY, READ | frozenset({"PATCH"})),
    "api/v1/cases/<uuid:pk>/images": Access(OWNER | OWNER_KEY, WRITE),
    "api/v1/cases/<uuid:pk>/images/<uuid:detection>": Access(
        OWNER | OWNER_KEY, frozenset({"DELETE"})
    ),
    "api/v1/cases/<uuid:pk>/notes": Access(OWNER | OWNER_KEY, READ | WRITE),
    "api/v1/cases/<uuid:pk>/notes/<uuid:note>": Access(
        OWNER | OWNER_KEY, frozenset({"PATCH", "DELETE"})
    ),
    "api/v1/detections/batch": Access(PEOPLE | KEYS, WRITE),
    "api/v1/batches/<uuid:pk>": Access(frozenset({"owner", "owner_key", "reader_key"}), READ),
    # administrators' alone, whatever a key's scopes
    "api/v1/datasets": Access(ADMINS, READ | WRITE),
    "api/v1/datasets/<uuid:pk>": Access(ADMINS, READ),
    "api/v1/datasets/<uuid:pk>/imports": Access(ADMINS, READ | WRITE),
    "api/v1/imports/<uuid:pk>": Access(ADMINS, READ),
    "api/v1/imports/<uuid:pk>/files": Access(ADMINS, READ),
    "api/v1/snapshots": Access(ADMINS, READ | WRITE),
    "api/v1/snapshots/<uuid:pk>": Access(ADMINS, READ),
    "api/v1/models": Access(PEOPLE | KEYS - {"reader_key"}, READ),
    "api/v1/models/activations": Access(REVIEWERS, READ),
    # with an administrator's key alone, which nobody here has
    "api/v1/models/roll-back": Access(frozenset(), WRITE),
    "api/v1/models/judge-again": Access(frozenset(), WRITE),
    "api/v1/models/judge-again/<uuid:pk>": Access(ADMINS, READ),
    "api/v1/models/judge-again/<uuid:pk>/cancel": Access(frozenset(), WRITE),
    "api/v1/models/<uuid:pk>/compare": Access(REVIEWERS, READ),
    "api/v1/models/<uuid:pk>/compare/<uuid:comparison_pk>": Access(REVIEWERS, READ),
    "api/v1/models/<uuid:pk>/promote": Access(frozenset(), WRITE),
    "api/v1/detections/<uuid:pk>/judge-again": own(WRITE, "owner_key"),
    "api/v1/models/active": Access(PEOPLE | KEYS - {"reader_key"}, READ),
    "api/v1/models/<uuid:pk>/shadow": Access(REVIEWERS, READ),
    "api/v1/models/<uuid:pk>/shadow/start": Access(ADMINS, WRITE),
    "api/v1/models/<uuid:pk>/shadow/stop": Access(ADMINS, WRITE),
    "api/v1/monitoring": Access(REVIEWERS, READ),
    "api/v1/monitoring/alerts/<uuid:pk>/acknowledge": Access(ADMINS, WRITE),
    # administrators' alone, by their session or a key of theirs
    "api/v1/training-runs": Access(ADMINS, READ | WRITE),
    "api/v1/training-runs/<uuid:pk>": Access(ADMINS, READ),
    "api/v1/training-runs/<uuid:pk>/cancel": Access(ADMINS, WRITE),
    # with a key alone; what needs a confirmation on the pages has no way around it here
    "api/v1/webhooks": Access(frozenset({"owner_key", "stranger_key"}), READ | WRITE),
    "api/v1/webhooks/callbacks/rotate": Access(frozenset({"owner_key", "stranger_key"}), WRITE),
    "api/v1/webhooks/callbacks/deliveries": Access(frozenset({"owner_key", "stranger_key"}), READ),
    "api/v1/webhooks/<uuid:pk>": Access(OWNER_KEY, READ | frozenset({"PATCH", "DELETE"})),
    "api/v1/webhooks/<uuid:pk>/rotate": Access(OWNER_KEY, WRITE),
    "api/v1/webhooks/<uuid:pk>/deliveries": Access(OWNER_KEY, READ),
    "api/v1/webhooks/deliveries/<uuid:pk>/resend": Access(OWNER_KEY, WRITE),
    "api/v1/": Access(frozenset(), frozenset()),
    "accounts/login/": SIGN_IN,
    "accounts/logout/": SIGN_IN,
    "accounts/inactive/": SIGN_IN,
    "accounts/signup/": SIGN_IN,
    "accounts/reauthenticate/": SIGN_IN,
    "accounts/email/": SIGN_IN,
    "accounts/confirm-email/": SIGN_IN,
    "accounts/password/change/": SIGN_IN,
    "accounts/password/set/": SIGN_IN,
    "accounts/password/reset/": SIGN_IN,
    "accounts/login/code/confirm/": SIGN_IN,
    r"accounts/^confirm-email/(?P<key>[-:\w]+)/$": SIGN_IN,
    "accounts/password/reset/key/done/": SIGN_IN,
    "accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": SIGN_IN,
    "accounts/password/reset/done/": SIGN_IN,
    "accounts/2fa/": SIGN_IN,
    "accounts/2fa/authenticate/": SIGN_IN,
    "accounts/2fa/reauthenticate/": SIGN_IN,
    "accounts/2fa/totp/activate/": SIGN_IN,
    "accounts/2fa/totp/deactivate/": SIGN_IN,
    "accounts/2fa/recovery-codes/": SIGN_IN,
    "accounts/2fa/recovery-codes/generate/": SIGN_IN,
    "accounts/2fa/recovery-codes/download/": SIGN_IN,
    "accounts/2fa/webauthn/": SIGN_IN,
    "accounts/2fa/webauthn/add/": SIGN_IN,
    "accounts/2fa/webauthn/login/": SIGN_IN,
    "accounts/2fa/webauthn/reauthenticate/": SIGN_IN,
    "accounts/2fa/webauthn/keys/<int:pk>/edit/": SIGN_IN,
    "accounts/2fa/webauthn/keys/<int:pk>/remove/": SIGN_IN,
    "accounts/sessions/": SIGN_IN,
    "accounts/sessions/<int:pk>/end": SIGN_IN,
    # single sign-on is not set up
    "accounts/oidc/login/": Access(frozenset(), frozenset()),
    "accounts/oidc/callback/": Access(frozenset(), frozenset()),
    "accounts/oidc/cancelled/": Access(frozenset(), frozenset()),
    "language/setlang/": Access(EVERYBODY, ANY),
    "healthz": Access(EVERYBODY, READ),
    "readyz": Access(EVERYBODY, READ),
    # nobody's: it takes a token of its own; see test_metrics.py
    "metrics": Access(frozenset(), frozenset()),
}
LABELLED_DATA = tuple(
    prefix + name
    for prefix in ("", "api/v1/")
    for name in ("datasets", "imports", "labelled", "snapshots")
)
# who holds a report's file asks about it without being anybody
ANSWERS_ANYBODY = {"api/v1/reports/<uuid:pk>"}
WRITES_NOTHING = {"api/v1/similar"}  # a POST because it brings a file
NOT_FOR_NOBODY = {
    *(
        route
        for route in DECLARED
        if route.startswith(("accounts/2fa/", "accounts/sessions/"))
        and route not in {"accounts/2fa/authenticate/", "accounts/2fa/webauthn/login/"}
    ),
    "accounts/password/change/",
    "accounts/password/set/",
    "accounts/reauthenticate/",
}


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


@pytest.fixture
def ask(
    alice: User, bob: User, carol: User, dora: User, key_of: Callable[..., str]
) -> Callable[..., HttpResponseBase]:
    """One request as a role, each in a browser of its own. Signing in costs as much as asking, so
    a session serves until something was done; and all ask one server, as browsers do."""
    server = Client().handler
    people = {"owner": alice, "stranger": bob, "moderator": carol, "admin": dora}
    people["auditor"] = User.objects.create_user("eve@example.org", PASSWORD, is_auditor=True)
    keys = {
        "owner_key": key_of(alice),
        "stranger_key": key_of(bob),
        "reader_key": key_of(alice, "detections:read"),
    }

    gone = User.objects.create_user("gone@example.org", PASSWORD, role=User.Role.ADMIN)
    left = Client()
    left.force_login(gone)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    keys["revoked_key"] = key_of(alice)
    ApiKey.objects.filter(prefix=keys["revoked_key"][4:12]).update(revoked_at=timezone.now())

    signed_in: dict[str, str] = {"disabled": left.cookies.output(header="", sep=";")}

    def browser(role: str) -> Client:
        client = Client()
        client.handler = server
        if role in people and role not in signed_in:
            client.force_login(people[role])
            signed_in[role] = client.cookies.output(header="", sep=";")
        client.cookies = SimpleCookie(signed_in.get(role, ""))
        return client

    def send(role: str, method: str, address: str) -> HttpResponseBase:
        if role in keys:
            client = Client(headers={"Authorization": f"Bearer {keys[role]}"})
            client.handler = server
            return client.generic(method, address)
        answer = browser(role).generic(method, address)
        is_another = settings.SESSION_COOKIE_NAME in answer.cookies
        if is_another or (method not in SAFE and answer.status_code < 400):
            for person in people:  # what was done may have ended any session
                signed_in.pop(person, None)
        return answer

    return send


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


# Rules of views; what the rows themselves hide is asked again on each database, below.
@pytest.mark.any_database
@pytest.mark.parametrize(
    ("route", "is_confidential"),
    [*((route, False) for route in sorted(DECLARED)), *((route, True) for route in ABOUT_AN_IMAGE)],
)
def test_nobody_does_what_the_table_does_not_say(route, is_confidential, ask, image, alice):
    access = DECLARED[route]
    Image.objects.filter(pk=image.pk).update(is_confidential=is_confidential)
    with transaction.atomic():
        audit.record("image.downloaded", actor=alice, target=image, owner=alice)
    roles = access.secret if is_confidential and access.secret is not None else access.roles
    # of a person, whoever has the lowest number: alice
    key = (
        alice.pk if route.startswith("people/") else alice.api_keys.usable().latest("created_at").pk
    )
    version = ModelVersion.objects.get()
    again = Rejudging.objects.create(version=version, by=alice).pk
    others = {
        "models/judge-again/": again,
        "api/v1/models/judge-again/": again,
        "api/v1/models/": version.pk,
        "api/v1/batches/": Batch.objects.create(by=alice, size=1).pk,
        "regions/": Region.objects.get(detection__image=image).pk,
        **dict.fromkeys(("models/", "api/v1/models/"), version.pk),
        **dict.fromkeys(
            ("monitoring/", "api/v1/monitoring/"),
            DriftAlert.objects.create(rule="failures_up").pk,
        ),
        **dict.fromkeys(("cases/", "api/v1/cases/"), _case_of(alice, image)),
        **_labelled_data(image, route),
        **dict.fromkeys(("training/", "api/v1/training-runs/"), run_row().pk),
        "history/filters/": SavedFilter.objects.create(owner=alice, name="mine").pk,
    }
    address = _address(route, Detection.objects.get(image=image).pk, image.pk, key, others)
    wrong: dict[tuple[str, ...], Any] = {}
    for role in sorted(EVERYBODY):
        # a method that the address does not name asks nothing of the image
        for method in _asked_of(access, "" if is_confidential else role):
            answer = ask(role, method, address)
            got = _outcome(answer)
            if got not in _may(route, role in roles, role, method, access.methods):
                wrong[role, method] = got
            if headers := lacking(answer, address):
                wrong[role, method, "headers"] = headers
    assert wrong == {}


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


@pytest.mark.parametrize("route", ABOUT_AN_IMAGE)
def test_a_strangers_row_is_as_one_that_never_was(route, ask, image):
    real = _address(route, Detection.objects.get(image=image).pk, image.pk)
    made_up = _address(route, uuid.uuid4(), uuid.uuid4())
    for role in ("nobody", "stranger", "auditor", "stranger_key"):
        for method in _asked_of(DECLARED[route]):
            answers = [ask(role, method, address) for address in (real, made_up)]
            assert answers[0].status_code == answers[1].status_code, (role, method)
            bodies = [
                re.sub(rb'name="csrfmiddlewaretoken" value="\w+"|[0-9a-f-]{32,36}', b"", body)
                for body in map(_body, answers)
            ]
            assert bodies[0] == bodies[1], (role, method)


def _body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


@pytest.mark.any_database  # Django's own pages, by rules that read no rows of ours
@pytest.mark.parametrize("route", OPERATORS)
def test_the_operators_site_is_for_administrators(route, ask, model_version):
    address = _address(route, "1", "1")
    is_sign_in = route in {"admin/login/", "admin/logout/"}
    for role in sorted(EVERYBODY):
        for method in ("GET", "POST"):
            answer = ask(role, method, address)
            got = _outcome(answer)
            assert got != "broken", (role, method)
            assert not lacking(answer), (role, method)
            if role != "admin" and not is_sign_in:
                assert got in {"sign in", "no", "no such method"}, (role, method)


def test_administrators_change_no_domain_row_on_the_operators_site(ask, image):
    detection = Detection.objects.get(image=image)
    for model, pk in (("image", image.pk), ("detection", detection.pk)):
        for way in ("change", "delete"):
            answer = ask("admin", "POST", f"/admin/detection/{model}/{pk}/{way}/")
            assert answer.status_code == 403
    assert ask("admin", "POST", "/admin/detection/image/add/").status_code == 403
    assert ask("admin", "POST", "/admin/accounts/auditevent/1/delete/").status_code == 403
