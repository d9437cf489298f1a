"""A content type is a stranger's claim: none may keep the desk from answering."""

import encodings
import pkgutil
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.handlers.wsgi import WSGIRequest

from deepfake_site.content_types import readable
from deepfake_site.wsgi import application

CODECS = sorted(module.name for module in pkgutil.iter_modules(encodings.__path__))
FORM = "multipart/form-data"


def _environ(content_type: str) -> dict[str, Any]:
    environ = {"PATH_INFO": "/healthz", "QUERY_STRING": "q=%E9", "CONTENT_TYPE": content_type}
    setup_testing_defaults(environ)
    return environ


@pytest.mark.parametrize("charset", ["zlib", "hex", "bz2", "rot13", "base64", "undefined", "idna"])
def test_a_charset_that_decodes_no_text_is_dropped(charset):
    assert readable(f"text/plain; charset={charset}") == "text/plain"
    assert readable(f'{FORM}; Charset="{charset}"; boundary=a') == f'{FORM}; boundary="a"'


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "text/plain",
        "application/json; charset=UTF-8",
        "text/plain; charset=latin-1",
        f'{FORM}; boundary="a b"; charset=utf-8',
        f"{FORM};boundary=a",
        "; charset=utf-8",
    ],
)
def test_whatever_django_can_read_stays_as_it_was(sent):
    assert readable(sent) == sent


@pytest.mark.parametrize("parameter", ["x*=nothing''a", "charset*=undefined''a"])
def test_parameters_in_an_encoding_that_there_is_not_are_dropped(parameter):
    assert readable(f"text/plain; {parameter}") == "text/plain"


@pytest.mark.parametrize("charset", [*CODECS, "nothing", "", '"'])
def test_django_can_make_a_request_whatever_the_charset(charset):
    environ = _environ(readable(f"text/plain; charset={charset}"))
    assert list(WSGIRequest(environ).GET)


@pytest.mark.parametrize("parameter", ["charset=zlib", "charset=undefined", "x*=nothing''a"])
def test_the_application_answers_it_as_any_other(db, parameter):
    statuses: list[str] = []
    answer = application(_environ(f"text/plain; {parameter}"), lambda s, *_: statuses.append(s))
    assert (statuses, b"".join(answer) != b"") == (["200 OK"], True)
