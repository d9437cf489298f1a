"""A database and a data folder that belong together know each other."""

import pytest
from django.core.management import CommandError, call_command

from detection.models import Installation
from detection.services import installation

pytestmark = pytest.mark.django_db


@pytest.fixture
def other_folder(settings, tmp_path) -> None:
    """The data folder of this installation, then another, empty one."""
    installation.bind()
    settings.DATA_DIR = tmp_path / "other"
    settings.DATA_DIR.mkdir()


def test_a_new_pair_is_bound():
    installation.bind()
    assert installation.is_ours()


def test_an_unbound_pair_is_not_taken_for_ours():
    assert not installation.is_ours()


def test_binding_again_changes_nothing(data_dir):
    installation.bind()
    before = (data_dir / "installation").read_text()
    installation.bind()
    assert (data_dir / "installation").read_text() == before
    assert Installation.objects.count() == 1


def test_a_known_database_refuses_a_strange_folder(other_folder):
    with pytest.raises(installation.ForeignData, match="UNMASK_DATA"):
        installation.bind()
    assert not installation.is_ours()


def test_a_known_folder_refuses_a_strange_database():
    installation.bind()
    Installation.objects.all().delete()
    with pytest.raises(installation.ForeignData, match="DATABASE_URL"):
        installation.bind()
    assert not Installation.objects.exists()


def test_whoever_moved_one_of_them_may_say_so(other_folder):
    installation.bind(adopt=True)
    assert installation.is_ours()
    assert Installation.objects.count() == 1


def test_the_command_says_what_to_do(other_folder):
    with pytest.raises(CommandError, match="--adopt"):
        call_command("bind_data_folder")
    call_command("bind_data_folder", "--adopt")
    assert installation.is_ours()
