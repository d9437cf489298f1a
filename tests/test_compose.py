"""Dockerfile and docker-compose.yml: valid, and in agreement with the code they start."""

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

REPOSITORY = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SCHEMA = json.loads((REPOSITORY / "tests/schemas/compose-spec.json").read_text())
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
QUEUES = {"sweep", "detect", "bulk", "evidence", "deliver", "train"}


def problems(compose: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)]


def words(service: dict[str, Any]) -> list[str]:
    """The command in words; a shell's script is split."""
    return [word for part in service["command"] for word in part.split()]


def named(service: dict[str, Any], key: str) -> Iterator[str]:
    """Names that a service uses of a top-level section."""
    for entry in service.get(key, []):
        yield str(entry).partition(":")[0]


def test_it_follows_the_compose_specification():
    assert problems(COMPOSE) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("services", "web", "commnad"), ["gunicorn"]),
        (("services", "web", "ports"), 80),
        (("volumes", "data"), "a string"),
        (("services", "web", "depends_on", "migrate", "condition"), 3),
    ],
)
def test_the_schema_notices_mistakes(path, value):
    broken = copy.deepcopy(COMPOSE)
    target = broken
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert problems(broken)


def test_it_has_every_part():
    assert set(SERVICES) == {
        *("proxy", "web", "worker", "evidence", "deliver", "bulk", "trainer", "beat", "migrate"),
        *("database", "redis"),
    }


def test_every_queue_has_a_worker_and_no_other_is_served():
    served = [
        queue
        for service in OURS.values()
        if "-Q" in service["command"]
        for queue in service["command"][service["command"].index("-Q") + 1].split(",")
    ]
    assert sorted(served) == sorted(QUEUES)
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert {settings.CELERY_TASK_DEFAULT_QUEUE, *routed} <= QUEUES


def test_every_command_exists():
    commands = get_commands()
    for name, service in OURS.items():
        parts = words(service)
        assert parts[0] in {"gunicorn", "celery", "sh"}, name
        for before, command in pairwise(parts):
            if before == "manage.py":
                assert command in commands
    config = SERVICES["web"]["command"][-1]
    assert (REPOSITORY / config).is_file()
    assert (REPOSITORY / "deepfake_site/wsgi.py").is_file()
    assert (REPOSITORY / "deepfake_site/celery.py").is_file()


@pytest.mark.parametrize("section", ["secrets", "networks", "volumes"])
def test_what_services_use_is_declared_and_the_reverse(section):
    used = {name for service in SERVICES.values() for name in named(service, section)}
    declared = set(COMPOSE[section])
    assert {name for name in used if not name.startswith(".")} == declared


def test_files_from_the_repository_exist():
    mounts = [m for s in SERVICES.values() for m in named(s, "volumes") if m.startswith(".")]
    assert mounts == ["./deploy/Caddyfile", "./deploy/create-app-role.sh"]
    assert all((REPOSITORY / mount).is_file() for mount in mounts)


def test_secrets_are_files_that_git_ignores():
    for secret in COMPOSE["secrets"].values():
        ignored = subprocess.run(
            ["git", "check-ignore", "-q", secret["file"]], cwd=REPOSITORY, check=False
        )
        assert ignored.returncode == 0, secret["file"]


def test_no_secret_stands_in_the_environment():
    for name, service in SERVICES.items():
        for variable in service.get("environment", {}):
            is_secret = re.search("PASSWORD|SECRET|KEY|DATABASE(_OWNER)?_URL", variable)
            assert not is_secret or variable.endswith("_FILE"), f"{name}: {variable}"


def test_secret_files_are_those_of_the_service():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                assert Path(value).name in service["secrets"], f"{name}: {variable}"
                assert str(value).startswith("/run/secrets/")


def test_every_variable_is_one_that_the_settings_read():
    source = "".join(path.read_text() for path in (REPOSITORY / "deepfake_site").glob("*.py"))
    for service in OURS.values():
        for variable in service["environment"]:
            assert f'"{variable.removesuffix("_FILE")}"' in source, variable


def test_dependencies_can_be_met():
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed], f"{name} waits for {needed}"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[needed]["restart"] == "no"


def test_everything_that_stays_up_is_checked_and_restarted():
    for name, service in SERVICES.items():
        if name != "migrate":
            assert "healthcheck" in service, name
            assert service["restart"] == "unless-stopped", name


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_no_more_power_than_they_need(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service
    assert ("ports" in service) == (name == "proxy")
    assert "privileged" not in service


def test_database_and_broker_cannot_be_reached_from_outside():
    assert COMPOSE["networks"]["back"]["internal"] is True
    for name in ("database", "redis", "evidence", "bulk", "trainer", "beat", "migrate"):
        assert SERVICES[name]["networks"] == ["back"]


@pytest.mark.parametrize("task", ["mail_news", "watch", "deliver_webhook"])
def test_what_mails_or_calls_others_reaches_out(task):
    queue = settings.CELERY_TASK_ROUTES[f"detection.tasks.{task}"]["queue"]
    [service] = [one for one in OURS.values() if queue in words(one)]
    assert "out" in service["networks"]


def test_only_the_migration_may_change_tables_and_triggers():
    secret = "database_owner_url"
    assert [name for name, one in SERVICES.items() if secret in one.get("secrets", [])] == [
        "migrate"
    ]
    holders = [n for n, s in SERVICES.items() if "database_password" in s.get("secrets", [])]
    assert holders == ["database"]


def test_the_database_is_not_called_healthy_while_its_volume_is_prepared():
    """Until then its server hears a socket alone, and whoever waits for it would be refused."""
    test = " ".join(SERVICES["database"]["healthcheck"]["test"])
    assert "-h 127.0.0.1" in test


def test_the_broker_hears_other_containers_whoever_built_it():
    assert "--protected-mode no" in " ".join(SERVICES["redis"]["command"])
    assert SERVICES["redis"]["networks"] == ["back"]


def test_the_broker_keeps_its_messages():
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert any(volume.endswith(":/data") for volume in SERVICES["redis"]["volumes"])


def test_every_build_target_exists():
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    targets = {service["build"]["target"] for service in OURS.values()}
    assert targets == {"serve", "train", "operate"} <= stages
    sources = set(re.findall(r"^FROM (\S+) AS", DOCKERFILE, re.MULTILINE))
    assert sources - stages == {"python:3.11-slim-bookworm"}


def test_only_the_trainer_gets_the_training_group():
    found = re.findall(
        r'^FROM build AS (\S+)\nARG EXTRA_GROUPS=""\nRUN (.+)$', DOCKERFILE, re.MULTILINE
    )
    stages = {name: command.replace("${EXTRA_GROUPS} ", "") for name, command in found}
    assert stages["build-serve"] == "uv sync --locked --no-default-groups --no-install-project"
    assert "--group train" in stages["build-train"]
    targets = {name: service["build"]["target"] for name, service in OURS.items()}
    assert [name for name, target in targets.items() if target == "train"] == ["trainer"]


def test_the_image_copies_every_part_and_runs_as_nobody_special():
    copied = set(re.findall(r"^COPY (\S+) \S+$", DOCKERFILE, re.MULTILINE))
    packages = ("deepfake_site", "accounts", "detection", "ml", "client")
    assert {*packages, "manage.py", "templates", "static", "locale"} <= copied
    assert "\nUSER unmask\n" in DOCKERFILE
    assert re.findall(r"^(?:FROM \S+ AS |USER )(\S+)$", DOCKERFILE, re.MULTILINE)[-6:] == [
        *("unmask", "train", "operate", "root", "unmask", "serve")
    ]


def test_the_client_tools_are_as_new_as_the_database():
    [client] = re.findall(r"postgresql-client-(\d+)", DOCKERFILE)
    assert SERVICES["database"]["image"].startswith(f"postgres:{client}-")
    assert SERVICES["migrate"]["build"]["target"] == "operate"


def test_the_context_lets_through_what_is_copied():
    allowed = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {source for line in copied for source in line.split()} <= allowed


def test_uv_is_the_version_that_make_uses():
    [pinned] = re.findall(r"uv==(\S+)", DOCKERFILE)
    assert f"UV_VERSION := {pinned}\n" in (REPOSITORY / "Makefile").read_text()


def test_secrets_are_written_once_and_agree(tmp_path):
    script = tmp_path / "deploy" / "make-secrets.sh"
    script.parent.mkdir()
    script.write_bytes((REPOSITORY / "deploy/make-secrets.sh").read_bytes())
    runs = []
    for _ in range(2):
        subprocess.run(["sh", script, "https://unmask.example.org"], check=True)
        runs.append({p.name: p.read_text() for p in (tmp_path / "deploy/secrets").iterdir()})
    written = runs[0]
    assert runs[1] == written
    assert set(written) == set(COMPOSE["secrets"])
    assert len(written["secret_key"]) >= 50
    owner, app = written["database_password"], written["database_app_password"]
    assert f"//unmask:{owner}@database:5432/" in written["database_owner_url"]
    assert f"//unmask_app:{app}@database:5432/" in written["database_url"]
    assert owner != app
    assert "UNMASK_ORIGIN=https://unmask.example.org\n" in (tmp_path / ".env").read_text()
    assert (tmp_path / "deploy/secrets").stat().st_mode & 0o777 == 0o700
