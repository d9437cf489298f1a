"""deploy/kubernetes: valid, without secrets, and in agreement with docker-compose.yml."""

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.test_compose import OURS, REPOSITORY

Manifest = dict[str, Any]
FOLDER = REPOSITORY / "deploy" / "kubernetes"
KUSTOMIZATION = "kustomization.yaml"
VERSIONS = ("1.32", "1.37")  # oldest and newest whose schemas are held against the manifests
OPERATIONS = (REPOSITORY / "docs/operations.md").read_text()
SECRETS_AT = "/run/secrets/unmask/"
MISTAKE = "a mistake"


def read(*folders: str) -> list[Manifest]:
    paths = (path for folder in folders for path in sorted((FOLDER / folder).glob("*.yaml")))
    return [
        manifest
        for path in paths
        if path.name != KUSTOMIZATION
        for manifest in yaml.safe_load_all(path.read_text())
    ]


MANIFESTS = read("base", "example")


def of_kind(manifests: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] in kinds}


def pod_of(workload: Manifest) -> Manifest:
    return workload["spec"]["template"]["spec"]


def containers_of(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


WORKLOADS = of_kind(MANIFESTS, "Deployment", "Job")
CONTAINERS = {name: pod_of(one)["containers"][0] for name, one in WORKLOADS.items()}
SETTINGS = of_kind(MANIFESTS, "ConfigMap")["unmask-settings"]["data"]


def bytes_of(text: str) -> int:
    """Of 3Gi and 256Mi as of Compose's 3g and 256m, which mean the same."""
    number, unit = re.fullmatch(r"(\d+)([gm]|[GM]i)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"g": 2**30, "m": 2**20}[unit[0].lower()]


def cores_of(text: str) -> float:
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


# --- What may be wrong, each a list of sentences ------------------------------------------------


def against_schemas(manifests: list[Manifest]) -> list[str]:
    found = []
    for manifest in manifests:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{manifest['kind']}, {version}: {error.message}")
    return found


def dangling(manifests: list[Manifest]) -> list[str]:
    """Names that nothing bears."""
    configs, claims = of_kind(manifests, "ConfigMap"), of_kind(manifests, "PersistentVolumeClaim")
    services, deployments = of_kind(manifests, "Service"), of_kind(manifests, "Deployment")
    found = []
    for name, one in of_kind(manifests, "Deployment", "Job").items():
        pod = pod_of(one)
        volumes = {volume["name"] for volume in pod["volumes"]}
        used = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        found += [f"{name}: claim {claim}" for claim in used if claim not in claims]
        for container in containers_of(pod):
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            found += [f"{name}: volume {mount}" for mount in mounts ^ volumes]
            sources = [source["configMapRef"]["name"] for source in container["envFrom"]]
            found += [f"{name}: settings {source}" for source in sources if source not in configs]
    for ingress in of_kind(manifests, "Ingress").values():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = services.get(backend["name"], {}).get("spec", {}).get("ports", [])
                if backend["port"]["name"] not in {port["name"] for port in ports}:
                    found.append(f"ingress: {backend}")
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler").values():
        if scaler["spec"]["scaleTargetRef"]["name"] not in deployments:
            found.append(f"autoscaler: {scaler['spec']['scaleTargetRef']}")
    return found


def selected(selector: Manifest, pods: list[Manifest]) -> list[Manifest]:
    """Those of the pods' labels that a selector takes; it knows what these manifests use."""
    wanted = selector.get("matchLabels", {}).items()
    among = {e["key"]: e["values"] for e in selector.get("matchExpressions", [])}
    return [
        labels
        for labels in pods
        if wanted <= labels.items() and all(labels.get(k) in among[k] for k in among)
    ]


def unmatched(manifests: list[Manifest]) -> list[str]:
    """Selectors that take no pod, or not those of their own."""
    workloads = of_kind(manifests, "Deployment", "Job")
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in workloads.values()]
    found = []
    for name, one in of_kind(manifests, "Deployment").items():
        own = one["spec"]["template"]["metadata"]["labels"]
        if selected(one["spec"]["selector"], pods) != [own]:
            found.append(f"deployment {name}")
    for name, one in of_kind(manifests, "Service").items():
        ports = containers_ports(workloads.get(name))
        if not selected({"matchLabels": one["spec"]["selector"]}, pods):
            found.append(f"service {name}")
        if {port["targetPort"] for port in one["spec"]["ports"]} - ports:
            found.append(f"service {name}: port")
    for name, one in of_kind(manifests, "PodDisruptionBudget").items():
        if len(selected(one["spec"]["selector"], pods)) != 1:
            found.append(f"budget {name}")
    given = [{"app.kubernetes.io/name": "postgresql"}, {"app.kubernetes.io/name": "redis"}]
    for name, one in of_kind(manifests, "NetworkPolicy").items():
        if not selected(one["spec"]["podSelector"], [*pods, *given]):
            found.append(f"policy {name}")
        among = one["spec"]["podSelector"].get("matchExpressions", [])
        for component in {value for e in among for value in e["values"]} - set(workloads):
            found.append(f"policy {name}: {component}")
    return found


def containers_ports(workload: Manifest | None) -> set[str]:
    if workload is None:
        return set()
    return {
        port["name"] for one in containers_of(pod_of(workload)) for port in one.get("ports", [])
    }


def too_powerful(manifests: list[Manifest]) -> list[str]:
    found = []
    for name, one in of_kind(manifests, "Deployment", "Job").items():
        pod = pod_of(one)
        user = pod["securityContext"]
        if not (user["runAsNonRoot"] and user["runAsUser"] == user["fsGroup"] == 10001):
            found.append(f"{name}: user")
        if user["seccompProfile"] != {"type": "RuntimeDefault"}:
            found.append(f"{name}: system calls")
        if pod["automountServiceAccountToken"] is not False:
            found.append(f"{name}: token")
        if {"hostNetwork", "hostPID", "hostIPC"} & set(pod):
            found.append(f"{name}: host")
        for container in containers_of(pod):
            if container.get("securityContext") != {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }:
                found.append(f"{name}: {container['name']}")
    return found


def given_away(manifests: list[Manifest]) -> list[str]:
    """Secrets that stand in a manifest."""
    found = [one["metadata"]["name"] for one in manifests if one["kind"] == "Secret"]
    for name, one in of_kind(manifests, "Deployment", "Job").items():
        for container in containers_of(pod_of(one)):
            for variable in container["env"]:
                if is_secret(variable["name"]) and not variable["name"].endswith("_FILE"):
                    found.append(f"{name}: {variable['name']}")
    found += [
        key
        for one in of_kind(manifests, "ConfigMap").values()
        for key in one["data"]
        if is_secret(key)
    ]
    return found + re.findall(r"\w+://\S*:\S*@\S+", yaml.safe_dump_all(manifests))


def is_secret(variable: str) -> bool:
    return bool(re.search("PASSWORD|SECRET|KEY|(DATABASE(_OWNER)?|REDIS|EMAIL)_URL", variable))


CHECKS = (against_schemas, dangling, unmatched, too_powerful, given_away)


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_wrong(check):
    assert check(MANIFESTS) == []


@pytest.mark.parametrize(
    ("check", "kind", "name", "path", "value"),
    [
        (against_schemas, "Deployment", "web", "spec.replcias", 2),
        (against_schemas, "Deployment", "web", "spec.replicas", "two"),
        (against_schemas, "Job", "migrate", "spec.template.spec.restartPolicy", 3),
        (against_schemas, "NetworkPolicy", "back", "spec.egress", "everywhere"),
        (against_schemas, "HorizontalPodAutoscaler", "worker", "spec.maxReplicas", "8"),
        (dangling, "ConfigMap", "unmask-settings", "metadata.name", MISTAKE),
        (dangling, "PersistentVolumeClaim", "unmask-data", "metadata.name", MISTAKE),
        (dangling, "Service", "web", "metadata.name", MISTAKE),
        (dangling, "Service", "web", "spec.ports.0.name", MISTAKE),
        (dangling, "Deployment", "worker", "metadata.name", MISTAKE),
        (dangling, "Deployment", "bulk", "spec.template.spec.volumes.1.name", MISTAKE),
        (unmatched, "Deployment", "bulk", "spec.template.metadata.labels", {"other": "pod"}),
        (unmatched, "Deployment", "bulk", "spec.selector.matchLabels",
         {"app.kubernetes.io/name": "unmask"}),
        (unmatched, "Service", "web", "spec.selector", {"app.kubernetes.io/component": MISTAKE}),
        (unmatched, "Service", "web", "spec.ports.0.targetPort", MISTAKE),
        (unmatched, "PodDisruptionBudget", "web", "spec.selector.matchLabels",
         {"app.kubernetes.io/name": "unmask"}),
        (unmatched, "NetworkPolicy", "out", "spec.podSelector.matchExpressions.0.values.0",
         MISTAKE),
        (too_powerful, "Deployment", "web", "spec.template.spec.securityContext.runAsNonRoot",
         False),
        (too_powerful, "Deployment", "web", "spec.template.spec.hostNetwork", True),
        (too_powerful, "Deployment", "beat", "spec.template.spec.containers.0.securityContext", {}),
        (too_powerful, "Deployment", "beat", "spec.template.spec.initContainers.0.securityContext",
         {}),
        (given_away, "ConfigMap", "unmask-settings", "kind", "Secret"),
        (given_away, "ConfigMap", "unmask-settings", "data.REDIS_URL", "redis://redis/0"),
        (given_away, "Deployment", "web", "spec.template.spec.containers.0.env.0.name",
         "SECRET_KEY"),
        (given_away, "Deployment", "web", "spec.template.spec.containers.0.env.4.value",
         "postgres://me:secret@database/x"),
    ],
)  # fmt: skip
def test_mistakes_are_noticed(
    check: Callable[[list[Manifest]], list[str]], kind: str, name: str, path: str, value: object
):
    broken = copy.deepcopy(MANIFESTS)
    target: Any = of_kind(broken, kind)[name]
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in way:
        target = target[key]
    target[last] = value
    assert check([of_kind(broken, kind)[name]] if check is against_schemas else broken)


# --- As docker-compose.yml ----------------------------------------------------------------------


def test_every_service_of_ours_has_a_workload_and_the_reverse():
    assert set(WORKLOADS) == set(OURS)
    assert [name for name, one in WORKLOADS.items() if one["kind"] == "Job"] == ["migrate"]


@pytest.mark.parametrize("name", OURS)
def test_it_runs_the_same_command_in_the_same_image(name):
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert CONTAINERS[name]["command"] == OURS[name]["command"]
    image = f"{OURS[name]['image']}:{version}"
    assert {one["image"] for one in containers_of(pod_of(WORKLOADS[name]))} == {image}


@pytest.mark.parametrize("name", OURS)
def test_it_has_the_same_variables(name):
    here = {variable["name"] for variable in CONTAINERS[name]["env"]} | set(SETTINGS)
    there = set(OURS[name]["environment"]) | {"UNMASK_ADMIN_EMAIL"}  # a ConfigMap is everybody's
    assert without_file(here) == without_file(there)
    for variable in ("UNMASK_BIND", "PORT", "UNMASK_DATA", "UNMASK_TRUSTED_PROXIES"):
        values = {v["name"]: v.get("value") for v in CONTAINERS[name]["env"]} | SETTINGS
        assert values.get(variable) == OURS[name]["environment"].get(variable)


def without_file(names: set[str]) -> set[str]:
    return {name.removesuffix("_FILE") for name in names}


def test_every_variable_is_one_that_the_settings_know():
    known = set(re.findall(r"^(\w+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    used = {v["name"] for one in CONTAINERS.values() for v in one["env"]} | set(SETTINGS)
    assert used <= known


@pytest.mark.parametrize("name", OURS)
def test_it_has_the_same_limits(name):
    pod, service = pod_of(WORKLOADS[name]), OURS[name]
    resources = CONTAINERS[name]["resources"]
    assert bytes_of(resources["limits"]["memory"]) == bytes_of(service["mem_limit"])
    assert bytes_of(resources["requests"]["memory"]) <= bytes_of(service["mem_limit"])
    assert "cpu" not in resources["limits"]  # idle processors are anybody's
    assert f"{pod['terminationGracePeriodSeconds']}s" == service["stop_grace_period"]
    [tmp] = [volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == "tmp"]
    assert tmp["medium"] == "Memory"
    assert f"size={tmp['sizeLimit'][:-1].lower()}" in service["tmpfs"][0]


def test_the_queues_weigh_what_they_weigh_there():
    whole = cores_of(CONTAINERS["worker"]["resources"]["requests"]["cpu"])
    weights = {name: one["cpu_shares"] for name, one in OURS.items() if "cpu_shares" in one}
    assert set(weights) == {"bulk", "evidence", "trainer"}
    for name, shares in weights.items():
        cores = cores_of(CONTAINERS[name]["resources"]["requests"]["cpu"])
        assert cores == pytest.approx(whole * shares / 1024, rel=0.05), name


def test_workers_and_beat_are_checked_as_there():
    for name in set(OURS) - {"web", "beat", "migrate"}:
        kind, script = OURS[name]["healthcheck"]["test"]
        alive, asked = script.split(" --end && python -c '")
        probes = [
            CONTAINERS[name][probe]["exec"]["command"]
            for probe in ("livenessProbe", "readinessProbe")
        ]
        assert kind == "CMD-SHELL"
        assert alive.split() == probes[0]
        assert probes[1] == ["python", "-c", asked.strip().removesuffix("'") + "\n"]
    probe = CONTAINERS["beat"]["livenessProbe"]["exec"]["command"]
    assert probe == ["sh", "-c", OURS["beat"]["healthcheck"]["test"][1]]


def test_web_is_asked_two_questions_under_a_name_it_answers_to():
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        asked = CONTAINERS["web"][probe]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, "http")
        assert asked["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
    port = CONTAINERS["web"]["ports"][0]["containerPort"]
    assert port == int(OURS["web"]["environment"]["PORT"])
    [service] = of_kind(MANIFESTS, "Service").values()
    assert service["spec"]["ports"][0]["port"] == port  # the workers' check names it


def test_one_beat_and_one_trainer_and_two_of_what_people_wait_for():
    deployments = of_kind(MANIFESTS, "Deployment")
    assert {name: one["spec"]["replicas"] for name, one in deployments.items()} == {
        **dict.fromkeys(("evidence", "deliver", "bulk", "trainer", "beat"), 1),
        **{"web": 2, "worker": 2},
    }
    recreated = [n for n, d in deployments.items() if d["spec"]["strategy"]["type"] == "Recreate"]
    assert sorted(recreated) == ["beat", "trainer"]
    assert set(of_kind(MANIFESTS, "PodDisruptionBudget")) == {"web", "worker"}


def test_everybody_waits_for_the_migration():
    for name in of_kind(MANIFESTS, "Deployment"):
        [waiting] = pod_of(WORKLOADS[name])["initContainers"]
        assert "manage.py migrate --check" in waiting["command"][-1]
        for key in ("env", "envFrom"):
            assert all(one in CONTAINERS[name][key] for one in waiting[key])


def test_only_the_migration_has_the_owners_address():
    holders = [n for n, one in WORKLOADS.items() if "unmask-owner" in yaml.safe_dump(one)]
    assert holders == ["migrate"]
    readers = [n for n, one in CONTAINERS.items() if "DATABASE_OWNER" in yaml.safe_dump(one)]
    assert readers == ["migrate"]


def test_the_documentation_says_how_to_make_each_secret():
    mounted = {
        variable["value"].removeprefix(SECRETS_AT)
        for one in CONTAINERS.values()
        for variable in one["env"]
        if variable["name"].endswith("_FILE")
    }
    assert mounted == {"secret_key", "database_url", "redis_url", "database_owner_url"}
    for key in mounted:
        assert f"--from-file={key}=" in OPERATIONS
    for secret in ("unmask-app", "unmask-owner"):
        assert f"create secret generic {secret} " in OPERATIONS


def test_the_world_is_reached_by_those_who_do_there():
    reaching = {
        name
        for name, one in OURS.items()
        if {"front", "out"} & set(one["networks"])  # networks of Compose that are not internal
    }
    policies = of_kind(MANIFESTS, "NetworkPolicy")
    assert set(policies["out"]["spec"]["podSelector"]["matchExpressions"][0]["values"]) == reaching
    to_the_world = [name for name, one in policies.items() if "ipBlock" in yaml.safe_dump(one)]
    assert to_the_world == ["out"]
    nothing = policies["nothing-else"]["spec"]
    assert nothing["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(nothing)


def test_addresses_within_are_no_part_of_the_world():
    [rule] = of_kind(MANIFESTS, "NetworkPolicy")["out"]["spec"]["egress"]
    kept = {net for one in rule["to"] for net in one["ipBlock"]["except"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} <= kept


@pytest.mark.parametrize(("name", "port"), [("database", 5432), ("redis", 6379)])
def test_database_and_broker_are_reached_by_the_desk_alone(name, port):
    spec = of_kind(MANIFESTS, "NetworkPolicy")[name]["spec"]
    assert spec["ingress"] == [
        {
            "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "unmask"}}}],
            "ports": [{"protocol": "TCP", "port": port}],
        }
    ]


def test_the_data_are_shared():
    [claim] = of_kind(MANIFESTS, "PersistentVolumeClaim").values()
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for one in CONTAINERS.values():
        mounts = {mount["name"]: mount["mountPath"] for mount in one["volumeMounts"]}
        assert mounts["data"] == SETTINGS["UNMASK_DATA"]


# --- The kustomizations -------------------------------------------------------------------------


def listed(folder: str) -> Iterator[str]:
    kustomization = yaml.safe_load((FOLDER / folder / KUSTOMIZATION).read_text())
    assert kustomization["namespace"] == "unmask"
    yield from kustomization["resources"]


@pytest.mark.parametrize("folder", ["base", "example"])
def test_every_file_is_listed_and_the_reverse(folder):
    files = {path.name for path in (FOLDER / folder).glob("*.yaml")} - {KUSTOMIZATION}
    assert set(listed(folder)) - {"../base"} == files
