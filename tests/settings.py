"""Settings for tests: the real ones, in a folder of their own, with a key of their own."""

import os
import tempfile

os.environ["UNMASK_DATA"] = tempfile.mkdtemp(prefix="unmask-test-")
os.environ["SECRET_KEY"] = "only-for-tests-" * 5
os.environ["UNMASK_ORIGIN"] = "http://localhost:8000"  # where there are security keys
for _name in ("UNMASK_SIGNUP", "EMAIL_URL", "REDIS_URL", "SECRET_KEY_FILE"):
    os.environ.pop(_name, None)
os.environ.pop("DATABASE_OWNER_URL", None)
os.environ.pop("UNMASK_S3_BUCKET", None)
if url := os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = url
else:
    os.environ.pop("DATABASE_URL", None)
if url := os.environ.get("TEST_REDIS_URL"):
    # each of several test processes has a number of its own, as pytest-django gives it a database
    _server, _, _number = url.rpartition("/")
    _worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.environ["REDIS_URL"] = f"{_server}/{(int(_number) + _worker) % 16}"

from deepfake_site.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file: the threads of a live server lock each other out of a database in shared memory.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
else:  # what a test wrote need not survive the machine
    _options = DATABASES["default"].setdefault("OPTIONS", {})  # noqa: F405
    _options["options"] = f"{_options.get('options', '')} -c synchronous_commit=off".strip()
WHITENOISE_AUTOREFRESH = True  # or each test's client would list all static files anew: 25 ms
