"""docs/operations.md: what it tells operators to type exists."""

import re

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from deepfake_site.paths import PROJECT_DIR

OPERATIONS = (PROJECT_DIR / "docs" / "operations.md").read_text()
CODE = re.compile(r"`[^`\n]+(?:\n[^`\n]+)?`|^    .+$", re.MULTILINE)
COMMAND = re.compile(r"manage\.py (?P<name>[a-z_]+)(?P<rest>[^`;|&)]*)")


def named_commands() -> list[tuple[str, frozenset[str]]]:
    """Each command of manage.py with the options it is given somewhere."""
    found: dict[str, set[str]] = {}
    for code in CODE.findall(OPERATIONS):
        for match in COMMAND.finditer(code):
            options = re.findall(r"(?<!\S)--[a-z0-9-]+", match["rest"])
            found.setdefault(match["name"], set()).update(options)
    return [(name, frozenset(options)) for name, options in sorted(found.items())]


def test_it_names_the_commands_of_an_incident():
    assert {name for name, _options in named_commands()} >= {
        *("acknowledge_restore", "bind_data_folder", "erase_image", "prepare_database"),
        *("register_model", "remove_second_factors", "roll_back_model", "rotate_report_key"),
        *("sweep", "verify_audit", "verify_evidence"),
    }


@pytest.mark.parametrize(("name", "options"), named_commands())
def test_a_named_command_exists_with_its_options(name, options):
    commands = get_commands()
    assert name in commands
    app = commands[name]
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    assert options <= set(command.create_parser("manage.py", name)._option_string_actions)


def test_named_variables_are_ones_that_are_read():
    known = re.findall(r"^(\w+)=", (PROJECT_DIR / ".env.example").read_text(), re.MULTILINE)
    named = re.findall(r"\bUNMASK_[A-Z0-9_]+\b|\b[A-Z]+_KEY(?:_FILE)?\b", OPERATIONS)
    assert set(named) <= set(known)


def test_links_within_lead_to_headings():
    headings = re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([a-z0-9-]+)\)", OPERATIONS)) <= anchors


def test_named_files_exist():
    for link in re.findall(r"\]\(([a-z0-9/.-]+\.md)\)", OPERATIONS):
        assert (PROJECT_DIR / "docs" / link).is_file(), link
    for path in re.findall(r"`((?:deploy|\.ci)/[\w/.-]+)", OPERATIONS):
        # Secrets are written by the operator, and are in no checkout.
        assert path.startswith("deploy/secrets/") or (PROJECT_DIR / path).exists(), path
