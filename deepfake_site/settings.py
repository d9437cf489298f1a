"""Every setting of Unmask, read from the environment once; `.env.example` lists the variables."""

import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import environ
from celery.schedules import schedule
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from deepfake_site.env import (
    env_bool,
    env_certificates,
    env_choice,
    env_choices,
    env_int,
    env_list,
    env_networks,
    env_secret,
    env_str,
)
from deepfake_site.paths import PROJECT_DIR, data_dir, runtime_dir

VERSION = "0.1.0"  # that of pyproject.toml, which a container does not hold

# --- The installation --------------------------------------------------------------------------
BASE_DIR = PROJECT_DIR
DATA_DIR = data_dir()
RUNTIME_DIR = runtime_dir()
PORT = env_int("PORT", 8000, minimum=1, maximum=65535)
WEB_BIND = env_str("UNMASK_BIND") or "127.0.0.1"
WEB_WORKERS = env_int("UNMASK_WEB_WORKERS", 2, minimum=1, maximum=64)
IS_ORIGIN_STATED = bool(env_str("UNMASK_ORIGIN") or env_str("PORT"))
UNMASK_ORIGIN = env_str("UNMASK_ORIGIN").rstrip("/") or f"http://127.0.0.1:{PORT}"
DEBUG = env_bool("UNMASK_DEBUG")

ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", re.IGNORECASE)
if not ORIGIN.fullmatch(UNMASK_ORIGIN):
    raise ImproperlyConfigured(
        f"UNMASK_ORIGIN is {UNMASK_ORIGIN!r}; it must look like https://unmask.example.org."
    )
_origin = urlsplit(UNMASK_ORIGIN)
IS_HTTPS = _origin.scheme == "https"
if DEBUG and _origin.hostname not in {"127.0.0.1", "localhost", "::1"}:
    raise ImproperlyConfigured(
        f"UNMASK_DEBUG shows settings and source to every visitor of {UNMASK_ORIGIN}; set it to 0, "
        "or UNMASK_ORIGIN to an address of this machine alone."
    )

SECRET_KEY = env_secret("SECRET_KEY", default_file=DATA_DIR / "secret_key")
if len(SECRET_KEY) < 50:  # the length Django's own deployment check asks for
    raise ImproperlyConfigured(
        "SECRET_KEY is missing or shorter than 50 characters. Set SECRET_KEY or SECRET_KEY_FILE; "
        "`make run` writes one into the data folder."
    )
if len(set(SECRET_KEY)) < 5 or SECRET_KEY.startswith("django-insecure"):
    raise ImproperlyConfigured(
        "SECRET_KEY is easy to guess: it repeats a few characters, or is the one of an example. "
        "Set one from `openssl rand -base64 48`."
    )

# Earlier ones, which make nothing any more, and with which what they made goes on working.
SECRET_KEY_FALLBACKS = [
    one.strip() for one in re.split(r"[,\n]", env_secret("SECRET_KEY_FALLBACKS")) if one.strip()
]
if any(len(one) < 50 for one in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured(
        "SECRET_KEY_FALLBACKS has a key shorter than 50 characters; separate whole keys by commas."
    )

if "*" in env_list("UNMASK_HOSTS"):
    raise ImproperlyConfigured("UNMASK_HOSTS is '*'; name the hosts, separated by commas.")
LOCAL_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = list(dict.fromkeys([_origin.hostname, *LOCAL_HOSTS, *env_list("UNMASK_HOSTS")]))
CSRF_TRUSTED_ORIGINS = [UNMASK_ORIGIN]
TRUSTED_PROXIES = env_int("UNMASK_TRUSTED_PROXIES", 0, maximum=9)  # hops that set X-Forwarded-For

# --- Applications ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "accounts",
    "detection",
]
MIDDLEWARE = [
    "deepfake_site.middleware.RequestIdMiddleware",
    "deepfake_site.request_metrics.RequestMetricsMiddleware",
    "accounts.middleware.RateLimitHeadersMiddleware",
    # Before all that may refuse a request or answer it: their answers have these headers too.
    "deepfake_site.middleware.ForbiddingHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "deepfake_site.form_pages.FormPagesMiddleware",
    "deepfake_site.unsent_forms.UnsentFormsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.AuditContextMiddleware",
    "accounts.middleware.SessionLimitsMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "accounts.second_factor_gate.SecondFactorMiddleware",
]
ROOT_URLCONF = "deepfake_site.urls"
WSGI_APPLICATION = "deepfake_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "deepfake_site.context.installation",
                "detection.context.news",
            ]
        },
    }
]

# --- Database ----------------------------------------------------------------------------------
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASE_URL = env_secret("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'unmask.sqlite3'}"
if urlsplit(DATABASE_URL).scheme not in {"sqlite", "postgres", "postgresql"}:
    raise ImproperlyConfigured("DATABASE_URL must start with sqlite:// or postgres://.")
_database = environ.Env.db_url_config(DATABASE_URL)
if _database.get("ENGINE") == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN, so a reader never fails when it turns writer;
        # FULL because WAL with NORMAL may lose the last commits when the power goes.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
        "PRAGMA foreign_keys=ON; PRAGMA mmap_size=134217728; "
        "PRAGMA secure_delete=ON;",  # what was erased leaves no bytes in free pages
    }
else:
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
# The role that owns tables and triggers, where the application's own may not; see
# docs/decisions/0008. Only `manage.py prepare_database` uses it.
if DATABASE_OWNER_URL := env_secret("DATABASE_OWNER_URL"):
    _owner = environ.Env.db_url_config(DATABASE_OWNER_URL)
    _is_same_place = all(_owner.get(k) == _database.get(k) for k in ("ENGINE", "HOST", "NAME"))
    if not _is_same_place or _owner.get("USER") == _database.get("USER"):
        raise ImproperlyConfigured(
            "DATABASE_OWNER_URL must name the PostgreSQL database of DATABASE_URL, with another "
            "user than it."
        )
    DATABASES["owner"] = _owner | {"TEST": {"MIRROR": "default"}}
CACHES = {
    # Shared by all processes, and independent of the broker.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "unmask_cache",
        # Django's 300 would let a flood of names push others' counted guesses out.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# --- The audit trail's checkpoints: outside the database, best on another disk ------------------
AUDIT_DIR = Path(env_str("UNMASK_AUDIT_DIR") or DATA_DIR / "audit")
AUDIT_KEY = env_secret("AUDIT_KEY")
if AUDIT_KEY and not re.fullmatch(r"[0-9a-f]{64}", AUDIT_KEY):
    raise ImproperlyConfigured("AUDIT_KEY must be 64 hexadecimal digits: openssl rand -hex 32.")
REPORT_KEY = env_secret("REPORT_KEY")
if REPORT_KEY and not re.fullmatch(r"[0-9a-f]{64}", REPORT_KEY):
    raise ImproperlyConfigured("REPORT_KEY must be 64 hexadecimal digits: openssl rand -hex 32.")
AUDIT_EXPORT_EVENTS = env_int("UNMASK_AUDIT_EXPORT_EVENTS", 250_000, minimum=1)

# --- Files -------------------------------------------------------------------------------------
MAX_UPLOAD_BYTES = env_int("UNMASK_MAX_UPLOAD_MB", 50, minimum=1, maximum=2000) * 1024 * 1024
# A ZIP of labelled images, which administrators alone upload.
MAX_ARCHIVE_BYTES = env_int("UNMASK_MAX_ARCHIVE_MB", 500, minimum=1, maximum=2000) * 1024 * 1024
# The folder of the server that administrators may import labelled images from; none by default.
IMPORT_DIR = Path(env_str("UNMASK_IMPORT_DIR")) if env_str("UNMASK_IMPORT_DIR") else None
if IMPORT_DIR is not None and not IMPORT_DIR.is_absolute():
    raise ImproperlyConfigured(
        f"UNMASK_IMPORT_DIR is {str(IMPORT_DIR)!r}; it must be an absolute path, such as /srv/data."
    )
# A bucket of S3 instead of a folder that all machines share; see docs/decisions/0024.
S3_BUCKET = env_str("UNMASK_S3_BUCKET")
S3_ENDPOINT = env_str("UNMASK_S3_ENDPOINT").rstrip("/")
S3_REGION = env_str("UNMASK_S3_REGION")
S3_PREFIX = env_str("UNMASK_S3_PREFIX").strip("/")
S3_PREFIX += "/" if S3_PREFIX else ""
S3_ACCESS_KEY = env_secret("UNMASK_S3_ACCESS_KEY")
S3_SECRET_KEY = env_secret("UNMASK_S3_SECRET_KEY")
S3_ENCRYPTION = env_choice("UNMASK_S3_ENCRYPTION", "", {"", "AES256", "aws:kms"})
S3_KMS_ID = env_str("UNMASK_S3_KMS_ID")
S3_TIMEOUT_S = env_int("UNMASK_S3_TIMEOUT_S", 5, minimum=1, maximum=30)
if S3_BUCKET and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", S3_BUCKET):
    raise ImproperlyConfigured(f"UNMASK_S3_BUCKET is {S3_BUCKET!r}, which no bucket can be called.")
if S3_BUCKET and find_spec("boto3") is None:
    raise ImproperlyConfigured(
        "UNMASK_S3_BUCKET needs the library boto3: uv sync --locked --group s3, or an image that "
        "is built with --build-arg EXTRA_GROUPS='--group s3'."
    )
if S3_ENDPOINT and not ORIGIN.fullmatch(S3_ENDPOINT):
    raise ImproperlyConfigured(
        "UNMASK_S3_ENDPOINT must look like https://s3.example.org, without a name or a path."
    )
if bool(S3_ACCESS_KEY) != bool(S3_SECRET_KEY):
    raise ImproperlyConfigured(
        "UNMASK_S3_ACCESS_KEY and UNMASK_S3_SECRET_KEY belong together: set both, or neither."
    )
if S3_KMS_ID and S3_ENCRYPTION != "aws:kms":
    raise ImproperlyConfigured("UNMASK_S3_KMS_ID needs UNMASK_S3_ENCRYPTION=aws:kms.")
FILE_UPLOAD_HANDLERS = ["detection.uploads.StreamToDiskUploadHandler"]
C2PA_ANCHORS = env_certificates("UNMASK_C2PA_ANCHORS")
RESUMABLE_UPLOAD_LIFE = timedelta(hours=24)
RETENTION_DAYS = env_int("UNMASK_RETENTION_DAYS", 0, maximum=36_500)  # 0 keeps all
TRAINING_RESERVE_BYTES = env_int("UNMASK_TRAINING_RESERVE_GB", 2, maximum=10_000) * 10**9
DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
DATA_UPLOAD_MAX_NUMBER_FILES = 100
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # nothing to collect before the first page; see docs/operations.md
WHITENOISE_MAX_AGE = 300
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- People ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
UNMASK_SIGNUP = env_bool("UNMASK_SIGNUP")
UNMASK_ADMIN_EMAIL = env_str("UNMASK_ADMIN_EMAIL")
UNMASK_ADMIN_PASSWORD = env_secret("UNMASK_ADMIN_PASSWORD")
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "verify"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_FORMS = {
    "change_password": "accounts.forms.ChangePasswordForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "user_token": "accounts.forms.UserTokenForm",
}
ACCOUNT_RATE_LIMITS = {  # beside `accounts.sign_in_limits`, which counts atomically
    "login": None,
    "login_failed": "5/5m/key,10/15m/key",  # codes of second factors alone
    "reset_password": None,
    "reset_password_from_key": "20/m/ip",
    "change_password": "20/m/user",
    "reauthenticate": "5/m/user,10/15m/user",
    "manage_email": "10/m/user",
    "signup": "20/m/ip",
    "confirm_email": "1/180s/key",
}
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Unmask: "
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "unmask_session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "unmask_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "deepfake_site.unsent_forms.csrf_failure"
LANGUAGE_COOKIE_SECURE = IS_HTTPS
LANGUAGE_COOKIE_NAME = "__Host-language" if IS_HTTPS else "django_language"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # not in a cookie

# --- Sessions and second factors ---------------------------------------------------------------
SESSION_IDLE = timedelta(
    minutes=env_int("UNMASK_SESSION_IDLE_MINUTES", 30, minimum=5, maximum=1440)
)
SESSION_LIFE = timedelta(hours=env_int("UNMASK_SESSION_HOURS", 12, minimum=1, maximum=720))
SESSION_COOKIE_AGE = int(SESSION_LIFE.total_seconds())
USERSESSIONS_ADAPTER = "accounts.adapter.UserSessionsAdapter"
REQUIRE_SECOND_FACTOR = env_choices(
    "UNMASK_REQUIRE_SECOND_FACTOR", {"journalist", "moderator", "admin"}
)
# Browsers let no address in numbers have security keys, and none without TLS but localhost.
HAS_WEBAUTHN = _origin.hostname == "localhost" or (
    IS_HTTPS and not re.fullmatch(r"[0-9.]+|.*:.*", _origin.hostname or "")
)
MFA_ADAPTER = "accounts.second_factors.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", *(["webauthn"] if HAS_WEBAUTHN else []), "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True  # where there is WebAuthn
MFA_FORMS = {"activate_totp": "accounts.second_factors.ActivateTOTPForm"}
MFA_TOTP_ISSUER = "Unmask"

# --- Single sign-on: one OpenID Connect service, or none -----------------------------------------
OIDC_URL = env_str("UNMASK_OIDC_URL").rstrip("/")
OIDC_CLIENT_ID = env_str("UNMASK_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env_secret("UNMASK_OIDC_CLIENT_SECRET")
OIDC_NAME = env_str("UNMASK_OIDC_NAME") or (urlsplit(OIDC_URL).hostname or "")
if OIDC_URL and not re.fullmatch(r"https://\S+|http://(localhost|127\.0\.0\.1)\b\S*", OIDC_URL):
    raise ImproperlyConfigured(
        f"UNMASK_OIDC_URL is {OIDC_URL!r}; it must be an issuer like https://id.example.org."
    )
if OIDC_URL and not OIDC_CLIENT_ID:
    raise ImproperlyConfigured("UNMASK_OIDC_CLIENT_ID is missing, which UNMASK_OIDC_URL needs.")
SOCIALACCOUNT_ADAPTER = "accounts.single_sign_on.SocialAccountAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # a form may not lead to another site; see form-action below
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"  # an address that is not verified there opens nothing

# --- Mail --------------------------------------------------------------------------------------
EMAIL_URL = env_secret("EMAIL_URL")
HAS_MAIL = bool(EMAIL_URL)
if HAS_MAIL:
    try:
        vars().update(environ.Env.email_url_config(EMAIL_URL))
    except ImproperlyConfigured:  # it does not say of what
        raise ImproperlyConfigured(
            "EMAIL_URL must look like smtp+tls://user:password@mail.example.org:587."
        ) from None
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
DEFAULT_FROM_EMAIL = env_str("UNMASK_FROM_EMAIL") or f"unmask@{_origin.hostname}"
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if HAS_MAIL and UNMASK_SIGNUP else "none"
# Where nobody can confirm an address, an unconfirmed one must not keep a second factor away.
MFA_ALLOW_UNVERIFIED_EMAIL = ACCOUNT_EMAIL_VERIFICATION == "none"

DEFAULT_EXCEPTION_REPORTER_FILTER = "deepfake_site.server_error.ReporterFilter"

# --- Headers -----------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if IS_HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
X_FRAME_OPTIONS = "DENY"
# The proxy redirects to https (W008); other hosts of the domain are not ours to decide on.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SILENCED_SYSTEM_CHECKS += ["models.W040"]  # columns beside an index's own are PostgreSQL's alone
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- Words and time ----------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ar", _("Arabic"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Queue: the message is a doorbell, the database owns the work -------------------------------
REDIS_URL = env_secret("REDIS_URL") or f"redis+socket://{RUNTIME_DIR / 'valkey.sock'}"
if urlsplit(REDIS_URL).scheme not in {"redis", "rediss", "redis+socket", "sentinel"}:
    raise ImproperlyConfigured("REDIS_URL must start with redis://, rediss:// or redis+socket://.")
LEASE = timedelta(seconds=40)
MAX_ATTEMPTS = 3
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # attempts are counted in SQL; a requeue would loop
CELERY_TASK_SOFT_TIME_LIMIT = 20
CELERY_TASK_TIME_LIMIT = 25
# Celery's own 4 s are too few for a process that gives way on a busy machine: it was killed before
# it was up, again and again, and the bulk queue stood still.
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60.0
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = env_int("UNMASK_WORKERS", 2, minimum=1, maximum=64)
BULK_WORKERS = env_int("UNMASK_BULK_WORKERS", 2, minimum=1, maximum=64)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TASK_DEFAULT_QUEUE = "detect"
CELERY_TASK_ROUTES = {  # a queue of its own: no backlog may hold the sweeper up
    "accounts.tasks.seal_audit": {"queue": "sweep"},
    "accounts.tasks.drop_ended_windows": {"queue": "evidence"},
    "detection.tasks.deliver_webhook": {"queue": "deliver"},
    "detection.tasks.mail_news": {"queue": "deliver"},
    "detection.tasks.draw_layer": {"queue": "evidence"},
    "detection.tasks.import_labelled": {"queue": "bulk"},
    "detection.tasks.run_region": {"queue": "evidence"},
    "detection.tasks.compare_models": {"queue": "train"},
    "detection.tasks.judge_again": {"queue": "bulk"},
    "detection.tasks.sweep": {"queue": "sweep"},
    "detection.tasks.screen": {"queue": "evidence"},
    "detection.tasks.retention": {"queue": "evidence"},
    "detection.tasks.run_shadow": {"queue": "bulk"},
    "detection.tasks.count_figures": {"queue": "evidence"},
    "detection.tasks.watch": {"queue": "deliver"},  # it mails, and that queue reaches out
    "detection.tasks.give_sign": {"queue": "evidence"},
    "detection.tasks.tidy": {"queue": "evidence"},
    "detection.tasks.finish_erasures": {"queue": "evidence"},
    "detection.tasks.tidy_files": {"queue": "evidence"},
    "detection.training_tasks.train": {"queue": "train"},
    "detection.training_tasks.sweep_training": {"queue": "sweep"},
    "detection.training_tasks.start_scheduled": {"queue": "sweep"},
}
CELERY_BEAT_SCHEDULE = {
    "sweep_training": {
        "task": "detection.training_tasks.sweep_training",
        "schedule": schedule(run_every=timedelta(seconds=15)),
        "options": {"expires": 60},
    },
    "start_scheduled": {
        "task": "detection.training_tasks.start_scheduled",
        "schedule": schedule(run_every=timedelta(hours=1)),
        "options": {"expires": 3600},
    },
    "seal_audit": {
        "task": "accounts.tasks.seal_audit",
        "schedule": schedule(run_every=timedelta(minutes=1)),
        "options": {"expires": 60},
    },
    "drop_ended_windows": {
        "task": "accounts.tasks.drop_ended_windows",
        "schedule": schedule(run_every=timedelta(hours=1)),
        "options": {"expires": 3600},
    },
    "sweep": {
        "task": "detection.tasks.sweep",
        "schedule": schedule(run_every=timedelta(seconds=15)),
        "options": {"expires": 60},
    },
    "screen": {
        "task": "detection.tasks.screen",
        "schedule": schedule(run_every=timedelta(seconds=15)),
        "options": {"expires": 15},
    },
    "count_figures": {
        "task": "detection.tasks.count_figures",
        "schedule": schedule(run_every=timedelta(minutes=10)),
        "options": {"expires": 600},
    },
    "watch": {
        "task": "detection.tasks.watch",
        "schedule": schedule(run_every=timedelta(minutes=1)),
        "options": {"expires": 60},
    },
    **{
        f"sign_of_{queue}": {
            "task": "detection.tasks.give_sign",
            "args": (queue,),
            "schedule": schedule(run_every=timedelta(minutes=1)),
            "options": {"queue": queue, "expires": 60},
        }
        for queue in ("evidence", "bulk", "deliver")
    },
    "retention": {
        "task": "detection.tasks.retention",
        "schedule": schedule(run_every=timedelta(minutes=10)),
        "options": {"expires": 600},
    },
    "tidy": {
        "task": "detection.tasks.tidy",
        "schedule": schedule(run_every=timedelta(hours=1)),
        "options": {"expires": 3600},
    },
    "finish_erasures": {
        "task": "detection.tasks.finish_erasures",
        "schedule": schedule(run_every=timedelta(hours=1)),
        "options": {"expires": 3600},
    },
    "tidy_files": {
        "task": "detection.tasks.tidy_files",
        "schedule": schedule(run_every=timedelta(hours=1)),
        "options": {"expires": 3600},
    },
}

# --- API ---------------------------------------------------------------------------------------
API_REQUESTS_PER_MINUTE = env_int("UNMASK_API_REQUESTS_PER_MINUTE", 600, minimum=1)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "accounts.authentication.PageSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttles.OwnerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "deepfake_site.api.problem",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Unmask",
    "DESCRIPTION": "Is this photograph generated or manipulated, why, and who decided what.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "POSTPROCESSING_HOOKS": ["detection.api.openapi.with_components"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/img/favicon.svg",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
}

# --- What the desk asks of other machines; see deepfake_site.outbound ---------------------------
FETCH_URLS = env_bool("UNMASK_FETCH_URLS")
OUTBOUND_ALLOW = env_networks("UNMASK_OUTBOUND_ALLOW")

# --- Figures for a monitoring system, at /metrics; see deepfake_site.metrics ---------------------
METRICS_TOKEN = env_secret("UNMASK_METRICS_TOKEN")  # empty: there is no such page
if METRICS_TOKEN and not re.fullmatch(r"[A-Za-z0-9._~+/-]{32,}=*", METRICS_TOKEN):
    raise ImproperlyConfigured(
        "UNMASK_METRICS_TOKEN must be at least 32 letters, digits or any of ._~+/-: "
        "openssl rand -hex 32."
    )

# --- Errors and traces for services of others; see deepfake_site.error_reports and .traces -------
SENTRY_DSN = env_secret("SENTRY_DSN")
if SENTRY_DSN and not re.fullmatch(r"https?://\w+(:\w+)?@[^\s/@]+/(\S+/)?\d+", SENTRY_DSN):
    raise ImproperlyConfigured("SENTRY_DSN must look like https://KEY@sentry.example.org/1.")
OTLP_ENDPOINT = env_str("OTEL_EXPORTER_OTLP_ENDPOINT")
if OTLP_ENDPOINT and not re.fullmatch(r"https?://[^\s@]+", OTLP_ENDPOINT):
    raise ImproperlyConfigured(
        "OTEL_EXPORTER_OTLP_ENDPOINT must look like http://collector:4318, without a password; "
        "OTEL_EXPORTER_OTLP_HEADERS has room for one."
    )
OTLP_HEADERS = env_secret("OTEL_EXPORTER_OTLP_HEADERS")
if OTLP_HEADERS and not re.fullmatch(r"[\w-]+=[^,]+(,\s*[\w-]+=[^,]+)*", OTLP_HEADERS):
    raise ImproperlyConfigured(
        "OTEL_EXPORTER_OTLP_HEADERS must look like authorization=Bearer%20…, with commas between."
    )

# --- Logs: one line an event, with the request's id and nobody's data ---------------------------
LOG_LEVEL = env_choice("UNMASK_LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"})
LOG_FORMAT = env_choice("UNMASK_LOG_FORMAT", "line", {"line", "json"})
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "deepfake_site.middleware.RequestIdFilter"}},
    "formatters": {
        "line": {
            "()": "deepfake_site.logging.OneLineFormatter",
            "format": "{asctime} {levelname} {name} [{request_id}] {message}",
            "style": "{",
        },
        "json": {"()": "deepfake_site.logging.OneObjectFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "propagate": False},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        # They name each address that is asked, and addresses may hold tokens.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}
