"""What every answer forbids a browser, whoever asks for whatever."""

import re

from django.http import HttpResponseBase

from detection.sandbox import FOR_TEN_MINUTES, SANDBOX

PICTURE = re.compile(
    r"/heatmap|/preview(?:/|$)|/thumbnail|/layers/|/evidence/|^/shared/.*/pictures/"
)
# The address itself is the secret.
SHARED = {"Referrer-Policy": "no-referrer"}
TELLING = {"Access-Control-Allow-Origin", "Server", "X-Powered-By"}
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def lacking(answer: HttpResponseBase, address: str = "") -> list[str]:
    """Names of headers that do not say what they should."""
    expected = ALWAYS | (SHARED if address.startswith("/shared/") else {})
    wrong = [name for name, value in expected.items() if answer.get(name) != value]
    policy = answer.get("Content-Security-Policy", "")
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    is_strict = directives.get("default-src") == "'none'" and "unsafe" not in policy
    is_framed = directives.get("frame-ancestors") != "'none'" and policy != SANDBOX
    if not is_strict or is_framed or "*" in policy or "http" in policy:
        wrong.append("Content-Security-Policy")
    caching = answer.get("Cache-Control", "")
    is_picture = PICTURE.search(address) and answer.status_code == 200
    if "no-store" not in caching and not (is_picture and caching == FOR_TEN_MINUTES):
        wrong.append("Cache-Control")
    for feature in ("camera", "geolocation", "microphone"):
        if f"{feature}=()" not in answer.get("Permissions-Policy", ""):
            wrong.append("Permissions-Policy")
    return [
        *wrong,
        *(TELLING & set(answer.headers)),
    ]
