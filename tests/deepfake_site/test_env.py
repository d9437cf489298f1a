"""A bad value stops the start and names its variable."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from deepfake_site.env import (
    env_bool,
    env_certificates,
    env_choice,
    env_int,
    env_list,
    env_secret,
    env_str,
)

NAME = "A_VARIABLE"


@pytest.fixture
def given(monkeypatch):
    return lambda value: monkeypatch.setenv(NAME, value)


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_a_switch_is_on(given, value):
    given(value)
    assert env_bool(NAME) is True


@pytest.mark.parametrize("value", ["0", "false", "No", "off", ""])
def test_a_switch_is_off(given, value):
    given(value)
    assert env_bool(NAME, default=True) is False


@pytest.mark.parametrize("default", [True, False])
def test_an_unset_switch_has_its_default(default):
    assert env_bool(NAME, default=default) is default


@pytest.mark.parametrize("value", ["maybe", "2", "tru"])
def test_a_bad_switch_is_named(given, value):
    given(value)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is '{value}'"):
        env_bool(NAME)


def test_a_number_is_read(given):
    given(" 42 ")
    assert env_int(NAME, 1) == 42


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_number_has_its_default(given, value):
    given(value)
    assert env_int(NAME, 7) == 7


@pytest.mark.parametrize("value", ["x", "1.5", "0x10", "1e3"])
def test_a_bad_number_is_named(given, value):
    given(value)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env_int(NAME, 1)


@pytest.mark.parametrize("value", ["0", "65536", "-1"])
def test_a_number_out_of_bounds_is_named_with_its_bounds(given, value):
    given(value)
    with pytest.raises(ImproperlyConfigured, match=rf"{NAME} is {value}.*\[1, 65535\]"):
        env_int(NAME, 80, minimum=1, maximum=65535)


def test_one_of_a_few_words_is_read(given):
    given(" b ")
    assert env_choice(NAME, "a", {"a", "b"}) == "b"


def test_another_word_is_named_with_what_is_known(given):
    given("c")
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is 'c'; say one of a, b"):
        env_choice(NAME, "a", {"a", "b"})


def test_a_list_is_split_at_commas(given):
    given(" a, b,,c ")
    assert env_list(NAME) == ["a", "b", "c"]


def test_an_unset_list_is_empty():
    assert env_list(NAME) == []


def test_text_is_stripped(given):
    given("  x ")
    assert env_str(NAME) == "x"


def test_a_secret_comes_from_its_variable_first(given, monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_text("from the file")
    given("from the variable")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "file"))
    assert env_secret(NAME) == "from the variable"


def test_a_secret_comes_from_a_file(monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_text("from the file\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "file"))
    assert env_secret(NAME) == "from the file"


def test_a_named_file_comes_before_our_own(monkeypatch, tmp_path: Path):
    for name in ("named", "own"):
        (tmp_path / name).write_text(name)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "named"))
    assert env_secret(NAME, default_file=tmp_path / "own") == "named"


def test_our_own_file_may_be_missing(tmp_path: Path):
    assert env_secret(NAME, default_file=tmp_path / "missing") == ""


def test_a_named_file_may_not_be_missing(monkeypatch, tmp_path: Path):
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE.*missing.*No such file"):
        env_secret(NAME)


def test_a_file_that_is_no_text_is_named(monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "file"))
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE"):
        env_secret(NAME)


def test_a_secret_is_not_in_the_message(monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"hush-hush\xff")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "file"))
    with pytest.raises(ImproperlyConfigured) as error:
        env_secret(NAME)
    assert "hush" not in str(error.value)


PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def test_certificates_come_from_a_file_or_a_folder(given, tmp_path):
    assert env_certificates(NAME) == ""
    for name in ("a.pem", "b.pem", "notes.txt"):
        (tmp_path / name).write_text(PEM)
    given(str(tmp_path / "a.pem"))
    assert env_certificates(NAME) == PEM
    given(str(tmp_path))
    assert env_certificates(NAME).count("BEGIN") == 2


@pytest.mark.parametrize("content", ["", "no certificate", "\u00e9", PEM + " " * 500_000])
def test_what_is_no_certificate_is_named(given, tmp_path, content):
    (tmp_path / "a.pem").write_text(content)
    for place in (tmp_path / "a.pem", tmp_path):
        given(str(place))
        with pytest.raises(ImproperlyConfigured, match=NAME):
            env_certificates(NAME)


def test_certificates_that_are_missing_are_named(given, tmp_path):
    given(str(tmp_path / "nothing.pem"))
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env_certificates(NAME)
