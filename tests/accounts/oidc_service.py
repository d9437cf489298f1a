"""A small OpenID Connect service in the test's own process."""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID, CLIENT_SECRET, CODE = "unmask", "s3cret", "the-code"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Service:
    """What the service says; tests change it.

    Attributes:
        person: claims about whoever signs in there.
        token: claims of the id_token that differ from an honest one's.
        userinfo: the same of the answer about the person.
        key: what tokens are signed with; the published one is always `KEY`.
        asked: the parameters with which a browser was sent to it last.
        exchanged: what codes were exchanged with.
    """

    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    key: Any = KEY
    asked: dict[str, str] = field(default_factory=dict)
    exchanged: list[dict[str, str]] = field(default_factory=list)

    def sign_in(self, address: str) -> str:
        """What a person's browser brings back who signs in at this address of the service."""
        self.asked = {name: values[0] for name, values in _query(address).items()}
        back = urlsplit(self.asked["redirect_uri"]).path
        return f"{back}?{urlencode({'code': CODE, 'state': self.asked['state']})}"

    def documents(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            pages = {
                "authorization_endpoint": "authorize",
                "token_endpoint": "token",
                "userinfo_endpoint": "userinfo",
                "jwks_uri": "jwks",
            }
            config = {name: f"{self.url}/{page}" for name, page in pages.items()}
            return 200, {"issuer": self.url, **config, **self.discovery}
        if path == "/jwks":
            published = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
            return 200, {"keys": [{**published, "kid": "1", "alg": "RS256", "use": "sig"}]}
        if path == "/userinfo":
            return 200, {**self.person, **self.userinfo}
        return self._exchange(form)

    def _exchange(self, form: dict[str, str]) -> tuple[int, Any]:
        self.exchanged.append(form)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        is_ours = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not is_ours or form.get("code") != CODE or challenge != self.asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        claims = {"iss": self.url, "aud": CLIENT_ID, "exp": int(time.time()) + 60, **self.person}
        token = jwt.encode({**claims, **self.token}, self.key, "RS256", headers={"kid": "1"})
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": token}


def _query(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query)


def serve(service: Service) -> ThreadingHTTPServer:
    """Start it on a free port of this machine; the caller shuts it down."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            form = parse_qs(self.rfile.read(length).decode())
            status, body = service.documents(
                self.path, {name: values[0] for name, values in form.items()}
            )
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
