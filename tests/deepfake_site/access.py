"""Who may reach which address, and by which methods."""

from dataclasses import dataclass

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READ, WRITE = frozenset({"GET"}), frozenset({"POST"})
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
TRAIL = frozenset({"auditor", "admin"})
# allauth's own pages: it knows who may see them, and its forms take what they are given
SIGN_IN = Access(EVERYBODY, ANY)
OWNER = frozenset({"owner"})
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
    "detections/<uuid:pk>/beside/<uuid:detection>": own(READ),
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
    "reports/<uuid:pk>/links": own(READ | WRITE),
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
