"""The audit trail's own secret: one for all processes, and bound to nothing else."""

from accounts.audit_key import known_mac_key, mac_key, mac_of, private_key
from tests.factories import in_parallel


def test_processes_that_start_together_agree_on_one_key(data_dir):
    assert len(set(in_parallel(mac_key, times=12))) == 1
    assert [path.name for path in data_dir.iterdir()] == ["audit_key"]


def test_asking_for_a_known_key_makes_none(data_dir):
    assert known_mac_key() is None
    assert not (data_dir / "audit_key").exists()
    assert mac_key() == known_mac_key()


def test_it_lies_in_the_data_folder_for_its_owner_alone(data_dir):
    mac_key()
    assert (data_dir / "audit_key").stat().st_mode & 0o777 == 0o600


def test_the_mac_is_keyed_by_what_signs(settings):
    settings.AUDIT_KEY = "11" * 32
    first, own = mac_of(mac_key(), "ab"), private_key()
    settings.AUDIT_KEY = "22" * 32
    assert mac_of(mac_key(), "ab") != first
    assert private_key() != own


def test_the_key_of_the_macs_signs_nothing(settings):
    settings.AUDIT_KEY = "11" * 32
    assert mac_key() != bytes.fromhex(settings.AUDIT_KEY)
