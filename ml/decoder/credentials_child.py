"""The child that reads content credentials: as `ml.decoder.child`, with the C2PA library instead.

It fetches nothing: the settings say so, and the system call filter refuses every socket.
"""

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, BinaryIO

import c2pa

from ml.decoder import child
from ml.decoder.text import cleaned
from ml.header import read_header

MAX_JSON = 4 << 20
MAX_ACTIONS, MAX_INGREDIENTS, MAX_FAILURES, MAX_TYPES = 20, 10, 10, 6
SHORT = 120
UNTRUSTED = "signingCredential.untrusted"
_OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
    "core": {"allowed_network_hosts": []},
}
_STATES = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}
Facts = dict[str, Any]


def prepare() -> dict[str, str]:
    """Set the library up once, before any fork, without letting it read anything."""
    with c2pa.Context.from_dict(_OFFLINE):
        return {"c2pa": version("c2pa-python")}


def answer(stream: BinaryIO, request: dict[str, Any]) -> tuple[Facts, None]:
    """State and summary of the credentials."""
    media_type = read_header(stream).media_type
    stream.seek(0)
    try:
        text = _read(stream, media_type, str(request.get("anchors", "")))
        return summary(json.loads(text)), None
    except c2pa.C2paError.ManifestNotFound:
        return {"state": "none"}, None
    except (c2pa.C2paError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {"state": "unreadable"}, None


def _read(stream: BinaryIO, media_type: str, anchors: str) -> str:
    settings = _OFFLINE | ({"trust": {"user_anchors": anchors}} if anchors else {})
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Reader(media_type, stream, context=context) as reader,
    ):
        text = reader.json()
    if len(text) > MAX_JSON:
        raise ValueError(f"{len(text)} characters")
    return text


def summary(store: Facts) -> Facts:
    """A bounded part of the manifest store that the library gives as JSON."""
    manifests = store["manifests"]
    active = manifests[store["active_manifest"]]
    signature = active.get("signature_info") or {}
    others = [one for label, one in manifests.items() if label != store["active_manifest"]]
    return {
        "state": _STATES.get(store.get("validation_state", ""), "invalid"),
        "failures": _failures(store),
        "signer": _short(signature.get("issuer")),
        "signer_name": _short(signature.get("common_name")),
        "time": _short(signature.get("time")),
        "generator": _generator(active),
        "title": _short(active.get("title")),
        "actions": [_action(one) for one in _actions(active)][:MAX_ACTIONS],
        "ingredients": [_ingredient(one) for one in active.get("ingredients") or []][
            :MAX_INGREDIENTS
        ],
        "source_types": _source_types([active]),
        "ingredient_source_types": _source_types(others),
    }


def _failures(store: Facts) -> list[str]:
    """Codes of what did not hold, the unknown signer apart."""
    found = [_short(one.get("code")) for one in store.get("validation_status") or []]
    return [code for code in dict.fromkeys(found) if code and code != UNTRUSTED][:MAX_FAILURES]


def _generator(manifest: Facts) -> str:
    info = manifest.get("claim_generator_info") or []
    first = info[0] if isinstance(info, list) and info and isinstance(info[0], dict) else {}
    named = " ".join(str(first[key]) for key in ("name", "version") if first.get(key))
    return _short(named or manifest.get("claim_generator"))


def _actions(manifest: Facts) -> Iterator[Facts]:
    for assertion in manifest.get("assertions") or []:
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            yield from (one for one in assertion["data"].get("actions") or [])


def _action(action: Facts) -> Facts:
    agent = action.get("softwareAgent")
    if isinstance(agent, dict):
        agent = " ".join(str(agent[key]) for key in ("name", "version") if agent.get(key))
    found = {
        "action": _short(action.get("action")),
        "agent": _short(agent),
        "when": _short(action.get("when")),
        "source_type": _last_part(action.get("digitalSourceType")),
    }
    return {key: value for key, value in found.items() if value}


def _ingredient(ingredient: Facts) -> Facts:
    found = {
        "title": _short(ingredient.get("title")),
        "relationship": _short(ingredient.get("relationship")),
        "format": _short(ingredient.get("format")),
    }
    return {key: value for key, value in found.items() if value}


def _source_types(manifests: list[Facts]) -> list[str]:
    found = [
        _last_part(action.get("digitalSourceType"))
        for manifest in manifests
        for action in _actions(manifest)
    ]
    return [kind for kind in dict.fromkeys(found) if kind][:MAX_TYPES]


def _last_part(address: Any) -> str:
    """`trainedAlgorithmicMedia` of the vocabulary's long address."""
    return _short(address).rpartition("/")[2]


def _short(value: Any) -> str:
    return cleaned(value, SHORT)


if __name__ == "__main__":
    child.main(answer, prepare)
