"""An image by its address: what is fetched, what is refused, and what is remembered of it."""

import gzip
import hashlib
import ipaddress
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEvent, User
from accounts.throttles import OwnerThrottle
from deepfake_site import outbound
from detection.errors import Refused
from detection.models import Submission
from detection.services import fetching
from tests import images
from tests.certificates import authority_and_server
from tests.factories import files_below
from tests.hostile_addresses import HOSTILE_URLS, PUBLIC, Connections, Names
from tests.loopback import Answer, Served, dripping, endless, saying, serving

API = "/api/v1/detections"
PHOTO = images.jpeg_bytes()
pytestmark = pytest.mark.usefixtures("model_version")


@pytest.fixture(autouse=True)
def _fetching_is_on(settings: Any) -> None:
    """And this machine counts as one to fetch from, where a test does not say otherwise."""
    settings.FETCH_URLS = True
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture(autouse=True)
def _fetching_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may leave a test waiting."""
    monkeypatch.setattr(fetching, "DEADLINE_S", 60)
    monkeypatch.setattr(outbound, "CONNECT_TIMEOUT_S", 60)


@pytest.fixture
def outside(settings: Any) -> None:
    """This machine is one that nobody may fetch from."""
    settings.OUTBOUND_ALLOW = []


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Connections:
    monkeypatch.setattr(OwnerThrottle, "allow_request", lambda *args: True)  # it would ask Redis
    return Connections(monkeypatch)


@pytest.fixture
def api(alice: User, key_of: Callable[..., str]) -> Client:
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


@pytest.fixture
def photo() -> Iterator[Served]:
    """A server that has a photograph, whatever it is asked for."""
    with serving(saying(PHOTO)) as served:
        yield served


def _post(api: Client, address: str, **fields: Any) -> Any:
    return api.post(API, {"url": address} | fields, content_type="application/json")


def _refusal(by: User, url: str) -> tuple[int, str, str]:
    with pytest.raises(Refused) as refused:
        fetching.submit_url(by=by, url=url, via="api")
    assert not Submission.objects.exists()
    assert files_below("incoming") == []
    return refused.value.status, refused.value.code, refused.value.detail


def _redirecting(*locations: str) -> Answer:
    """To each in turn, then the photograph; by itself it is called `{port}`."""

    def answer(sock: Any, served: Served) -> None:
        hop = len(served.requests) - 1
        if hop >= len(locations):
            return saying(PHOTO)(sock, served)
        return saying(b"", "302 Found", Location=locations[hop])(sock, served)

    return answer


# --- what is fetched


def test_json_submits_what_is_at_an_address(api, photo):
    response = _post(api, f"{photo.url}news/first.jpg", metadata={"story": [1]}, priority="bulk")
    body = response.json()
    assert response.status_code == 202
    assert response["Location"].endswith(body["id"])
    assert body["image"]["sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert body["metadata"] == {"story": [1]}
    submission = Submission.objects.get()
    assert (submission.file_name, submission.via, submission.priority) == (
        "first.jpg",
        "api",
        "bulk",
    )
    assert files_below("incoming") == []


def test_a_form_submits_it_as_well(api, photo):
    response = api.post(API, {"url": photo.url, "metadata": json.dumps({"a": 1})})
    assert response.status_code == 202
    assert response.json()["metadata"] == {"a": 1}


def test_the_header_says_nothing_the_bytes_do(api):
    with serving(saying(PHOTO, Content_Type="text/html")) as served:
        assert _post(api, served.url).status_code == 202


def test_an_address_and_a_file_are_one_too_many(api):
    with serving(saying(PHOTO)) as served:
        for image in (SimpleUploadedFile("photo.jpg", PHOTO), "text"):
            response = api.post(API, {"url": served.url, "image": image})
            assert response.status_code == 400
            assert response.json()["errors"][0]["field"] == "image"
    assert served.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": []},
        {"metadata": 5},
        {"metadata": {"a": "x" * 8192}},
        {"metadata": None},
        {"priority": "now"},
        {"source_url": "https://elsewhere.example/"},
        {"url": ["a"]},
        {"url": {"a": 1}},
        {"url": None},
        {"url": ""},
    ],
    ids=str,
)
def test_a_wrong_field_is_said_before_anything_is_fetched(api, photo, fields):
    assert _post(api, photo.url, **fields).status_code == 400
    assert photo.requests == []


def test_the_last_part_of_the_path_names_the_file(alice, photo):
    for path, name in [
        ("a/b.jpg?c=d/e", "b.jpg"),
        ("", ""),
        ("a/", ""),
        ("%2e%2e", ""),
        ("a%2F..", ""),
        ("a%0d%0ab%00.jpg", "ab.jpg"),
        ("%D8%B5%D9%88%D8%B1%D8%A9.jpg", "صورة.jpg"),
        ("a%2Fb.jpg", "b.jpg"),
    ]:
        submission = fetching.submit_url(by=alice, url=photo.url + path, via="api")
        assert submission.file_name == name


def test_the_address_is_kept_without_its_query(alice, photo):
    url = f"{photo.url}a%20b.jpg"
    submission = fetching.submit_url(by=alice, url=f"{url}?token=secret", via="api")
    assert submission.source_url == url
    assert photo.requests[0].startswith(b"GET /a%20b.jpg?token=secret HTTP/1.1\r\n")
    detail = AuditEvent.objects.get(action="submission.accepted").detail.body
    assert url in detail
    assert "secret" not in detail


def test_no_address_is_logged(api, photo, caplog):
    _post(api, f"{photo.url}?token=secret")
    _post(api, "http://public.example:22/?token=secret")
    assert "secret" not in caplog.text
    assert photo.url not in caplog.text


def test_redirects_are_followed_to_the_file(alice):
    with serving(_redirecting("/2", "3?b", "../4")) as served:
        submission = fetching.submit_url(by=alice, url=f"{served.url}1.jpg", via="api")
    asked = [request.split(b" ")[1] for request in served.requests]
    assert asked == [b"/1.jpg", b"/2", b"/3?b", b"/4"]
    assert (submission.file_name, submission.source_url) == ("1.jpg", f"{served.url}1.jpg")


# --- what is refused


def test_it_is_off_unless_the_operator_says_otherwise(api, photo, settings):
    settings.FETCH_URLS = False
    response = _post(api, photo.url)
    assert (response.status_code, response.json()["code"]) == (422, "fetching_off")
    assert photo.requests == []


def test_hostile_addresses_get_one_answer_and_no_socket(api, outside, connected):
    answers = set()
    for url in filter(None, HOSTILE_URLS):
        response = _post(api, url)
        body = response.json()
        answers.add((response.status_code, body["code"], body["detail"]))
    assert connected == []
    assert {answer[:2] for answer in answers} == {(422, "fetch_refused")}
    assert len(answers) == 1
    assert not Submission.objects.exists()


def test_whoever_does_not_answer_gets_the_same_answer(alice, outside, connected):
    forbidden = _refusal(alice, "http://10.0.0.1/")
    unreachable = _refusal(alice, "http://public.example/")
    unknown = _refusal(alice, "http://nowhere.example/")
    assert forbidden == unreachable == unknown
    assert connected == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    "answer",
    [
        saying(PHOTO, "404 Not Found"),
        saying(PHOTO, "206 Partial Content"),
        saying(b"", "204 No Content"),
        saying(b"", "302 Found"),
        saying(b"", "500 Internal Server Error"),
        saying(PHOTO, Content_Length=str(len(PHOTO) + 1)),
        saying(PHOTO, X_Bomb="x" * 1024**2),
        dripping(b"not HTTP at all\r\n\r\n", every_s=0),
    ],
    ids=["404", "206", "204", "302", "500", "cut", "bomb", "nonsense"],
)
def test_what_is_no_plain_answer_gets_it_too(alice, answer):
    with serving(answer) as served:
        assert _refusal(alice, served.url)[:2] == (422, "fetch_refused")


def test_a_redirect_to_a_hostile_address_is_not_followed(alice, outside, connected, monkeypatch):
    """From a public server, whose part one of this machine plays."""
    monkeypatch.setattr(outbound, "_check_peer", lambda sock, address: None)
    inside = [url for url in HOSTILE_URLS if _stands_for_itself(url)]
    assert len(inside) > 70
    for url in inside:
        with serving(_redirecting(url)) as served:
            connected.stand_in = served.port
            assert _refusal(alice, "http://public.example/")[:2] == (422, "fetch_refused")
        assert connected == [(PUBLIC, 80)], url
        connected.clear()


def _stands_for_itself(url: str) -> bool:
    """Not one that a header cannot hold, or that is harmless once it was joined to where it is."""
    is_joined = url.startswith(("http:///", "http:1", "http://@")) or url == "http://"
    return url.isprintable() and " " not in url and ":" in url and not is_joined


def test_a_chain_of_redirects_has_an_end(alice):
    with serving(_redirecting("/2", "/3", "/4", "/5", "/6")) as served:
        assert _refusal(alice, served.url)[1] == "fetch_refused"
    assert len(served.requests) == 4


def test_no_redirect_leads_from_https_to_http(alice, names, monkeypatch, photo):
    trusted, server = authority_and_server("photos.example")
    monkeypatch.setattr(outbound, "_tls_context", lambda: trusted)
    names.say("photos.example", ["127.0.0.1"])
    with serving(_redirecting(photo.url), tls=server) as served:
        url = f"https://photos.example:{served.port}/"
        assert _refusal(alice, url)[1] == "fetch_refused"
    assert photo.requests == []
    with serving(_redirecting("/photo.jpg"), tls=server) as served:
        assert fetching.submit_url(
            by=alice, url=f"https://photos.example:{served.port}/", via="api"
        )


def test_an_endless_file_is_cut_at_the_limit(alice, settings):
    settings.MAX_UPLOAD_BYTES = 1024**2
    with serving(endless) as served:
        status, code, detail = _refusal(alice, served.url)
    assert (status, code) == (413, "too_large")
    assert "1 MB" in detail
    assert served.sent < 64 * 1024**2


def test_one_that_does_not_say_how_long_it_is_is_cut_as_well(alice, settings):
    settings.MAX_UPLOAD_BYTES = 1024**2

    def unannounced(sock: Any, served: Served) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while served.sent < 1024**3:
            sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
            served.sent += 65536

    with serving(unannounced) as served:
        assert _refusal(alice, served.url)[:2] == (413, "too_large")
    assert 1024**2 < served.sent < 64 * 1024**2


def test_where_larger_uploads_are_taken_fetching_keeps_its_own_limit(settings):
    settings.MAX_UPLOAD_BYTES = 500 * 1024**2
    assert fetching._max_bytes() == 50 * 1024**2


def test_a_slow_one_ends_at_the_deadline(alice, monkeypatch):
    monkeypatch.setattr(fetching, "DEADLINE_S", 0.8)
    with serving(dripping(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(60))) as served:
        assert _refusal(alice, served.url)[1] == "fetch_refused"


def test_nothing_is_decompressed(alice):
    bomb = gzip.compress(PHOTO)
    with serving(saying(bomb, Content_Encoding="gzip", Content_Type="image/jpeg")) as served:
        assert _refusal(alice, served.url)[:2] == (415, "unsupported_format")
    assert b"accept-encoding: identity\r\n" in served.requests[0].lower()


def test_what_is_no_image_is_refused_as_an_upload_would_be(alice):
    with serving(saying(b"<html>", Content_Type="image/jpeg")) as served:
        assert _refusal(alice, served.url)[:2] == (415, "unsupported_format")
    with serving(saying(b"")) as served:
        assert _refusal(alice, served.url)[:2] == (400, "empty_file")


def test_a_few_at_a_time_and_a_word_to_the_others(api, photo):
    for _ in range(fetching.AT_ONCE):
        fetching._slots.acquire()
    try:
        response = _post(api, photo.url)
    finally:
        fetching._slots.release(fetching.AT_ONCE)
    assert (response.status_code, response.json()["code"]) == (503, "fetching_busy")
    assert response["Retry-After"] == "5"
    assert photo.requests == []
    assert _post(api, photo.url).status_code == 202


def test_every_slot_is_free_again_after_refusals(alice, photo):
    for _ in range(fetching.AT_ONCE + 1):
        _refusal(alice, "http://10.0.0.1/")
    assert fetching.submit_url(by=alice, url=photo.url, via="api")


# --- the page


def test_the_page_takes_an_address(alice, client_of, photo):
    browser = client_of(alice)
    assert 'name="url"' in browser.get("/").content.decode()
    response = browser.post("/", {"url": f" {photo.url}a.jpg ", "is_confidential": "true"})
    submission = Submission.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/detections/{submission.detection_id}"
    assert (submission.via, submission.image.is_confidential) == ("page", True)
    assert f"{photo.url}a.jpg" in browser.get(response["Location"]).content.decode()


def test_the_page_says_why_not(alice, client_of):
    response = client_of(alice).post("/", {"url": "http://10.0.0.1/<b>"})
    assert response.status_code == 422
    page = response.content.decode()
    assert "No image could be fetched from this address." in page
    assert "http://10.0.0.1/&lt;b&gt;" in page


def test_where_it_is_off_the_page_has_no_such_field(alice, client_of, photo, settings):
    settings.FETCH_URLS = False
    assert 'name="url"' not in client_of(alice).get("/").content.decode()
    assert client_of(alice).post("/", {"url": photo.url}).status_code == 422
    assert photo.requests == []
