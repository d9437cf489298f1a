"""Signatures of webhooks, held against the public reference library."""

import base64
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from standardwebhooks import Webhook, WebhookVerificationError

from accounts.sealing import UnreadableError
from detection import signing

MESSAGE = "msg_0123456789abcdef0123456789abcdef"
BODY = '{"type":"detection.completed","data":{"metadata":{"título":"Ünï"}}}'.encode()


def _headers(*secrets: str, timestamp: float | None = None) -> dict[str, str]:
    at = int(time.time() if timestamp is None else timestamp)
    return signing.signed_headers(message_id=MESSAGE, timestamp=at, body=BODY, signed_with=secrets)


def test_the_reference_library_accepts_what_is_signed():
    secret = signing.new_secret()
    assert Webhook(secret).verify(BODY, _headers(secret)) == json.loads(BODY)


def test_a_known_vector_has_the_known_signature():
    # From the specification's reference implementations.
    headers = signing.signed_headers(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
        signed_with=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "altered",
    [
        {"webhook-id": MESSAGE[:-1] + "0"},
        {"webhook-timestamp": str(int(time.time()) + 1)},
        {"webhook-timestamp": str(int(time.time()) - 360)},
        {"webhook-signature": "v1," + base64.b64encode(b"0" * 32).decode()},
    ],
)
def test_altered_headers_are_refused(altered):
    secret = signing.new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, _headers(secret) | altered)


def test_an_altered_body_is_refused():
    secret = signing.new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.replace(b"completed", b"failed"), _headers(secret))


def test_a_message_that_is_six_minutes_old_is_refused():
    secret = signing.new_secret()
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret).verify(BODY, _headers(secret, timestamp=time.time() - 360))


def test_another_secret_is_refused():
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(BODY, _headers(signing.new_secret()))


def test_during_a_rotation_either_secret_verifies():
    old, new = signing.new_secret(), signing.new_secret()
    headers = _headers(new, old)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers)


def test_secrets_are_long_and_each_another():
    made = {signing.new_secret() for _ in range(20)}
    assert len(made) == 20
    assert all(len(base64.b64decode(one.removeprefix("whsec_"))) == 32 for one in made)


def test_a_sealed_secret_shows_nothing_and_opens_again():
    secret = signing.new_secret()
    sealed = signing.sealed(secret)
    assert secret.removeprefix("whsec_") not in sealed
    assert signing.unsealed(sealed) == secret


def test_under_another_key_a_sealed_secret_does_not_open(monkeypatch):
    sealed = signing.sealed(signing.new_secret())
    monkeypatch.setattr(settings, "SECRET_KEY", "another-key-of-tests-" * 5)
    with pytest.raises(UnreadableError):
        signing.unsealed(sealed)


# --- what docs/api.md tells receivers to do


def _example(name: str) -> str:
    text = (Path(settings.BASE_DIR) / "docs/api.md").read_text()
    return re.search(rf"<!-- example: {name} -->\n```\w+\n(.+?)```", text, re.DOTALL)[1]


def _cases() -> list[tuple[bool, str, dict[str, str], bytes]]:
    """Whether it is genuine, secret, headers, body."""
    old, new = signing.new_secret(), signing.new_secret()
    rotating = _headers(new, old)
    return [
        (True, old, rotating, BODY),
        (True, new, rotating, BODY),
        (False, signing.new_secret(), rotating, BODY),
        (False, new, rotating, BODY + b" "),
        (False, new, rotating | {"webhook-id": "msg_0"}, BODY),
        (False, new, _headers(new, timestamp=time.time() - 360), BODY),
        (False, new, _headers(new, timestamp=time.time() + 360), BODY),
    ]


def test_the_documented_check_in_python_works():
    names: dict[str, Any] = {}
    exec(_example("webhook-python"), names)
    for is_genuine, *case in _cases():
        assert names["is_genuine"](*case) is is_genuine


@pytest.mark.skipif(not shutil.which("node"), reason="no Node.js")
def test_the_documented_check_in_javascript_works():
    cases = [[secret, headers, body.decode()] for _, secret, headers, body in _cases()]
    call = f"console.log(JSON.stringify({json.dumps(cases)}.map(([s, h, b]) => "
    code = f"{_example('webhook-js')}\n{call}isGenuine(s, h, Buffer.from(b)))))"
    run = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == [is_genuine for is_genuine, *_ in _cases()]
