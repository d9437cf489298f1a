"""The Arabic words are complete, compiled, and keep every placeholder."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(settings.BASE_DIR)
FOLDER = ROOT / "locale" / "ar" / "LC_MESSAGES"
PACKAGES = ("accounts", "deepfake_site", "detection")
FUNCTIONS = {"_", "gettext", "gettext_lazy", "ngettext", "pgettext"}
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
ENTRY = re.compile(r'^(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) (".*"(?:\n".*")*)', re.M)
CONTEXT_MARK = "\x04"


def _entries() -> Iterator[dict[str, str]]:
    for block in (FOLDER / "django.po").read_text(encoding="utf-8").split("\n\n"):
        found = {name: _joined(text) for name, text in ENTRY.findall(block)}
        if found.get("msgid"):
            yield found


def _joined(text: str) -> str:
    return "".join(ast.literal_eval(line) for line in text.splitlines())


def _key(entry: dict[str, str]) -> str:
    context = entry.get("msgctxt")
    return f"{context}{CONTEXT_MARK}{entry['msgid']}" if context else entry["msgid"]


def _words(entry: dict[str, str]) -> list[str]:
    return [text for name, text in entry.items() if name.startswith("msgstr")]


# A call of gettext; its texts may hold brackets.
CALL = r"""(n?p?gettext)\(((?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^'")])*)\) """


def _compiled() -> dict[object, str]:
    with (FOLDER / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]


def _strings_of_code(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in FUNCTIONS:
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            if texts and isinstance(texts[0], str):
                is_contextual = getattr(node.func, "id", "") == "pgettext"
                yield CONTEXT_MARK.join(texts[:2]) if is_contextual else texts[0]


def _strings_of_template(source: str) -> Iterator[str]:
    # What makemessages itself reads of a template: calls, with everything else blanked out.
    for function, arguments in re.findall(CALL, templatize(source) + " "):
        texts = re.findall(r"u'((?:[^'\\]|\\.)*)'|u\"((?:[^\"\\]|\\.)*)\"", arguments)
        plain = [(one or other).replace("\\'", "'") for one, other in texts]
        yield CONTEXT_MARK.join(plain[:2]) if "p" in function else plain[0]


def _used() -> set[str]:
    code = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found = {text for path in code for text in _strings_of_code(path.read_text())}
    for path in (ROOT / "templates").rglob("*.html"):
        found |= set(_strings_of_template(path.read_text()))
    return found


def test_every_string_of_pages_and_code_is_translated() -> None:
    known = {_key(entry) for entry in _entries()}
    used = _used()
    assert len(used) > 200  # the search itself still finds them
    assert used - known == set()


def test_nothing_is_left_empty_or_fuzzy() -> None:
    assert [entry["msgid"] for entry in _entries() if not all(_words(entry))] == []
    assert ", fuzzy" not in (FOLDER / "django.po").read_text(encoding="utf-8")


def test_the_compiled_words_are_those_of_the_source() -> None:
    compiled = _compiled()
    expected: dict[object, str] = {}
    for entry in _entries():
        if "msgid_plural" in entry:
            expected |= {(_key(entry), n): text for n, text in enumerate(_words(entry))}
        else:
            expected[_key(entry)] = entry["msgstr"]
    assert {key: text for key, text in compiled.items() if key} == expected


def test_a_translation_keeps_the_placeholders() -> None:
    for entry in _entries():
        wanted = set(PLACEHOLDER.findall(entry["msgid"]))
        if "msgid_plural" in entry:  # one, two and none are words in Arabic, without a number
            assert all(set(PLACEHOLDER.findall(text)) <= wanted for text in _words(entry))
        else:
            assert set(PLACEHOLDER.findall(entry["msgstr"])) == wanted, entry["msgid"]
