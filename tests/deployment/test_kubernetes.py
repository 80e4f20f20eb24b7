"""deploy/kubernetes/: valid, the same processes and settings as compose.yaml, and minimal privileges."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import URLPattern, URLResolver, get_resolver

from config import gunicorn
from foundation.heartbeat import OLD_AFTER_SECONDS
from tests.conftest import run_python
from tests.deployment.manifests import (
    FOLDER,
    OVERLAYS,
    ROOT,
    Manifest,
    built,
    component,
    containers,
    faults,
    of_kind,
    ours,
    pods,
    rendered,
    selects,
    settings_of,
)

PROCESSES = {"web", "worker", "pictures", "beat"}
EXAMPLE = FOLDER / "secret.example.yaml"

# Settings that only one of the two has, and why.
ONLY_COMPOSE = {
    "MEDIA_ACCEL_PREFIX": "no nginx of ours is in front, so the web process or the CDN sends the pictures",
}
ONLY_KUBERNETES = {
    "ALLOWED_HOSTS": "Prometheus asks each pod by its address; in compose the host of PUBLIC_BASE_URL is enough",
    "POD_IP": "no setting: a part of ALLOWED_HOSTS",
}
ONLY_KUBERNETES_SECRETS = {
    "email_url": "it contains a password; in compose it is in .env, beside compose.yaml",
}
ONLY_COMPOSE_SECRETS = {
    "tls_certificate": "the gateway has the certificate",
    "tls_key": "the gateway has the certificate",
}


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- Valid --------------------------------------------------------------------------------------------------


def test_every_object_follows_its_schema(overlay: str) -> None:
    assert [fault for manifest in built(overlay) for fault in faults(manifest)] == []
    assert len(built(overlay)) > 20
    names = [(each["kind"], each["metadata"]["name"]) for each in built(overlay)]
    assert len(names) == len(set(names))


def test_the_example_of_the_secret_follows_its_schema_and_has_no_values() -> None:
    example = yaml.safe_load(EXAMPLE.read_text())
    assert list(faults(example)) == []
    assert set(example["stringData"].values()) == {""}
    assert not any(each["kind"] == "Secret" for name in OVERLAYS for each in built(name))


@pytest.mark.parametrize(
    "kind",
    ["Deployment", "Job", "HTTPRoute", "ScaledObject", "ServiceMonitor", "PodMonitor", "HorizontalPodAutoscaler",
     "NetworkPolicy", "PodDisruptionBudget", "Service", "ConfigMap"],
)  # fmt: skip
def test_the_check_finds_an_unknown_field_at_every_depth(kind: str) -> None:
    whole = next(iter(of_kind("large", kind).values()))
    paths = list(places(whole))
    assert len(paths) >= 2
    for path in paths:
        manifest = copy.deepcopy(whole)
        at(manifest, path)["unknownField"] = {"a": 1}
        assert list(faults(manifest)) != [], path


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every mapping in the value. Those with free keys, such as labels, have texts as values."""
    if isinstance(value, dict):
        yield path
        for name, part in value.items():
            yield from places(part, (*path, name))
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from places(part, (*path, number))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def test_everything_is_in_the_one_namespace(overlay: str) -> None:
    assert list(of_kind(overlay, "Namespace")) == ["feeds"]
    for each in built(overlay):
        if each["kind"] != "Namespace":
            assert each["metadata"]["namespace"] == "feeds", each["metadata"]["name"]
    assert yaml.safe_load(EXAMPLE.read_text())["metadata"]["namespace"] == "feeds"


# --- The same as compose.yaml -------------------------------------------------------------------------------


def test_both_run_the_same_processes_with_the_same_commands(overlay: str, compose: Any) -> None:
    services, ours_here = compose["services"], ours(overlay)
    assert set(ours_here) == PROCESSES | {"migrate"}
    for name, pod in ours_here.items():
        container = pod["spec"]["containers"][0]
        assert "command" not in container, name
        assert container.get("args") == services[name].get("command"), name
    assert len({container["image"] for pod in ours_here.values() for container in containers(pod)}) == 1


def test_the_stores_of_one_host_are_those_of_compose(compose: Any) -> None:
    postgres, redis = (pods("small")[name]["spec"]["containers"][0] for name in ("postgres", "redis"))
    for name, container in (("postgres", postgres), ("redis", redis)):
        assert container["image"] == compose["services"][name]["image"], name
        assert container.get("args") == compose["services"][name].get("command"), name
    in_compose = compose["services"]["postgres"]["environment"]
    assert {each["name"]: each["value"] for each in postgres["env"]}.items() >= in_compose.items()
    # The same checks, where compose writes $$ for $.
    check = compose["services"]["redis"]["healthcheck"]["test"][1].replace("$$", "$")
    assert redis["livenessProbe"]["exec"]["command"] == ["sh", "-c", check]
    check = compose["services"]["postgres"]["healthcheck"]["test"][1:]
    assert postgres["livenessProbe"]["exec"]["command"] == check
    assert set(pods("large")) & {"postgres", "redis"} == set(), "they are outside of the cluster"


def without_file(name: str) -> str:
    return name.removesuffix("_FILE") if name != "HEARTBEAT_FILE" else name


def names(settings: dict[str, Any]) -> set[str]:
    return {without_file(name) for name in settings}


def test_both_have_the_same_settings(overlay: str, compose: Any) -> None:
    here: set[str] = set()
    for name in PROCESSES:
        in_compose = names(compose["services"][name]["environment"])
        in_kubernetes = names(settings_of(overlay, ours(overlay)[name]["spec"]["containers"][0]))
        assert in_compose - in_kubernetes == set(ONLY_COMPOSE), name
        assert in_kubernetes - in_compose <= set(ONLY_KUBERNETES), name
        here |= in_kubernetes - in_compose
    assert here == set(ONLY_KUBERNETES)


def test_fixed_values_are_those_of_compose(overlay: str, compose: Any) -> None:
    differ = {"DATABASE_URL", "REDIS_URL"} if overlay == "large" else set()
    for name in PROCESSES:
        found = settings_of(overlay, ours(overlay)[name]["spec"]["containers"][0])
        given = compose["services"][name]["environment"]
        fixed = {key: value for key, value in given.items() if "${" not in str(value)}
        for key in fixed.keys() - set(ONLY_COMPOSE) - differ:
            assert found[key] == fixed[key], (name, key)


def test_each_name_is_a_setting_of_the_service(overlay: str) -> None:
    """Against typing errors, which a schema can't find."""
    readme = (ROOT / "README.md").read_text()
    for pod in ours(overlay).values():
        for name in names(settings_of(overlay, pod["spec"]["containers"][0])) - {"POD_IP"}:
            assert f"`{name}`" in readme, name


def test_the_settings_load_and_mean_what_they_should(overlay: str, tmp_path: Path) -> None:
    """With secret files in this test's folder."""
    found = settings_of(overlay, ours(overlay)["web"]["spec"]["containers"][0])
    for key in yaml.safe_load(EXAMPLE.read_text())["stringData"]:
        (tmp_path / key).write_text(
            {
                "secret_key": "k" * 40,
                "token_encryption_keys": "A" * 43 + "=",
                "email_url": "smtp://mail.test",
            }.get(key, "")
        )
    (tmp_path / "database_password").write_text("of-the-database\n")
    script = """
import json, config.settings as s
print(json.dumps([s.DATABASES["default"]["PASSWORD"], s.EMAIL_HOST, s.MEDIA_STORAGE, s.ALLOWED_HOSTS[:2]]))
"""
    environment = {name: value.replace("/run/secrets", str(tmp_path)) for name, value in found.items()}
    environment["ALLOWED_HOSTS"] = environment["ALLOWED_HOSTS"].replace("$(POD_IP)", "10.1.2.3")
    done = run_python("-c", script, env={**environment, "VAR_DIR": str(tmp_path)})
    assert json.loads(done.stdout or "null") == [
        "of-the-database", "mail.test", "file" if overlay == "small" else "s3", ["feeds.example", "10.1.2.3"],
    ], done.stderr  # fmt: skip


def test_settings_that_an_operator_fills_in_are_in_one_file(overlay: str, compose: Any) -> None:
    file = (FOLDER / f"overlays/{overlay}/settings.env").read_text()
    given = set(re.findall(r"\$\{([A-Z_0-9]+)", (ROOT / "compose.yaml").read_text())) - {"RELEASE"}
    assert given - set(re.findall(r"^([A-Z_0-9]+)=", file, re.MULTILINE)) == {"EMAIL_URL"}, "a secret here"


def test_both_have_the_same_secrets(overlay: str, compose: Any) -> None:
    keys = set(yaml.safe_load(EXAMPLE.read_text())["stringData"])
    assert set(compose["secrets"]) - keys == set(ONLY_COMPOSE_SECRETS)
    assert keys - set(compose["secrets"]) == set(ONLY_KUBERNETES_SECRETS)
    read: set[str] = set()
    for pod in ours(overlay).values():
        for container in containers(pod):
            found = settings_of(overlay, container)
            files = {
                value for name, value in found.items() if name.endswith("_FILE") and name != "HEARTBEAT_FILE"
            }
            read |= {Path(value).name for value in files}
            assert {str(Path(value).parent) for value in files} == {"/run/secrets"}
            assert {"name": "secrets", "mountPath": "/run/secrets", "readOnly": True} in container[
                "volumeMounts"
            ]
    assert read == keys


def test_no_secret_is_in_a_setting_or_an_argument(overlay: str) -> None:
    secret = {name.upper() for name in yaml.safe_load(EXAMPLE.read_text())["stringData"]}
    for name, pod in pods(overlay).items():
        for container in containers(pod):
            assert not secret & set(settings_of(overlay, container)), name
    for each in of_kind(overlay, "ConfigMap").values():
        assert not re.search(r"://[^/@\s]*:[^/@\s]+@", "\n".join(each["data"].values())), (
            "a password in a URL"
        )


def test_each_pod_gets_only_the_secrets_that_it_reads() -> None:
    for name, key in (("postgres", "database_password"), ("redis", "redis_password")):
        volumes = {each["name"]: each for each in pods("small")[name]["spec"]["volumes"]}
        assert volumes["secrets"]["secret"]["items"] == [{"key": key, "path": key}]
    migrate = settings_of("small", ours("small")["migrate"]["spec"]["containers"][0])
    assert set(migrate) == {
        "DATABASE_URL", "REDIS_URL", "DATABASE_PASSWORD_FILE", "REDIS_PASSWORD_FILE", "SECRET_KEY_FILE",
        "TOKEN_ENCRYPTION_KEYS_FILE",
    }  # fmt: skip


# --- Order and number ---------------------------------------------------------------------------------------


def test_the_new_release_waits_for_its_migrations_and_the_old_one_serves_meanwhile(overlay: str) -> None:
    for name in ("web", "worker", "pictures"):
        (first,) = ours(overlay)[name]["spec"]["initContainers"]
        assert first["args"] == ["python", "manage.py", "wait_for_migrations"]
        process = ours(overlay)[name]["spec"]["containers"][0]
        assert first["image"] == process["image"], "it knows the migrations of this release"
        assert settings_of(overlay, first)["DATABASE_URL"] == settings_of(overlay, process)["DATABASE_URL"]
        strategy = of_kind(overlay, "Deployment")[name]["spec"]["strategy"]
        assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_each_release_has_a_job_of_its_own_that_settings_do_not_change(overlay: str, tmp_path: Path) -> None:
    (before,) = of_kind(overlay, "Job").values()
    tag = before["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
    assert before["metadata"]["name"] == f"migrate-{tag}"
    folder = changed(tmp_path, overlay, "settings.env", "LOG_LEVEL=INFO", "LOG_LEVEL=DEBUG")
    after = rendered(folder)
    assert before in after
    web = next(each for each in after if each["kind"] == "Deployment" and each["metadata"]["name"] == "web")
    assert web != of_kind(overlay, "Deployment")["web"], "its pods are replaced, by the name of the ConfigMap"
    folder = changed(tmp_path, overlay, "kustomization.yaml", f"newTag: {tag}", "newTag: 7.8.9")
    assert "migrate-7.8.9" in {each["metadata"]["name"] for each in rendered(folder)}


def test_the_host_name_comes_from_the_one_setting(overlay: str, tmp_path: Path) -> None:
    folder = changed(tmp_path, overlay, "settings.env", "https://feeds.example", "https://www.acme.test")
    made = {(each["kind"], each["metadata"]["name"]): each for each in rendered(folder)}
    assert made["HTTPRoute", "web"]["spec"]["hostnames"] == ["www.acme.test"]
    container = made["Deployment", "web"]["spec"]["template"]["spec"]["containers"][0]
    assert {each["name"]: each.get("value") for each in container["env"]}["ALLOWED_HOSTS"] == (
        "www.acme.test,$(POD_IP)"
    )


def changed(tmp_path: Path, overlay: str, file: str, old: str, new: str) -> Path:
    """A copy of the overlay with `old` replaced by `new` in one file."""
    root = tmp_path / new.replace("/", "_")
    shutil.copytree(FOLDER, root)
    path = root / "overlays" / overlay / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return root / "overlays" / overlay


def test_beat_is_never_two(overlay: str) -> None:
    beat = of_kind(overlay, "Deployment")["beat"]["spec"]
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})
    targets = {each["spec"]["scaleTargetRef"]["name"] for each in scalers(overlay)}
    assert "beat" not in targets


def scalers(overlay: str) -> list[Manifest]:
    return [each for each in built(overlay) if each["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}]


def test_what_a_scaler_decides_has_no_number_of_its_own() -> None:
    assert scalers("small") == []
    deployments = of_kind("large", "Deployment")
    assert sorted(each["spec"]["scaleTargetRef"]["name"] for each in scalers("large")) == ["web", "worker"]
    for each in scalers("large"):
        assert each["spec"]["scaleTargetRef"]["kind"] == "Deployment"
        assert "replicas" not in deployments[each["spec"]["scaleTargetRef"]["name"]]["spec"]
    assert all("replicas" in deployments[name]["spec"] for name in ("pictures", "beat"))


def test_workers_are_scaled_by_the_age_of_the_backlog() -> None:
    (scaled,) = of_kind("large", "ScaledObject").values()
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    assert trigger["metricType"] == "Value", "the age isn't divided by the number of workers"
    assert trigger["metadata"]["query"] == 'max(instagram_due_backlog_age_seconds{namespace="feeds"})'
    alerts = (ROOT / "deploy/prometheus/alerts.yml").read_text()  # whose names test_monitoring.py checks
    alarm = re.search(r"instagram_due_backlog_age_seconds\) > (\d+)", alerts)
    assert alarm is not None
    assert float(trigger["metadata"]["threshold"]) < float(alarm[1]), "before the alert fires"
    assert 1 < scaled["spec"]["minReplicaCount"] < scaled["spec"]["maxReplicaCount"]


# --- Every pod ----------------------------------------------------------------------------------------------


def test_every_container_has_minimal_privileges(overlay: str) -> None:
    enforced = of_kind(overlay, "Namespace")["feeds"]["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods(overlay).items():
        spec, security = pod["spec"], pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, f"{name}: a Service could set a variable of ours"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert not any("hostPath" in volume for volume in spec.get("volumes", [])), name
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (name, container["name"])


def test_our_image_runs_as_its_own_user_and_writes_only_where_it_may(overlay: str) -> None:
    image = (ROOT / "Dockerfile").read_text()
    uid = int(re.findall(r"--uid (\d+)", image)[0])
    var_dir, media = (re.findall(rf"{name}=(\S+)", image)[0] for name in ("VAR_DIR", "MEDIA_ROOT"))
    for name, pod in ours(overlay).items():
        assert pod["spec"]["securityContext"]["runAsUser"] == uid, name
        assert pod["spec"]["securityContext"]["fsGroup"] == uid, "files of the Secret and of the volume"
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        assert volumes["secrets"]["secret"]["defaultMode"] == 0o440
        for container in containers(pod):
            mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
            writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
            stores = overlay == "small" and container["name"] in {"web", "worker", "pictures"}
            assert writable == {"/tmp", var_dir} | ({media} if stores else set()), name
            assert {"emptyDir"} <= set(volumes[mounts[var_dir]["name"]]), "of this pod alone"


def test_every_container_says_what_it_needs(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        for container in containers(pod):
            needs = container["resources"]
            assert {"cpu", "memory"} <= set(needs["requests"]), name
            assert mebibytes(needs["limits"]["memory"]) >= mebibytes(needs["requests"]["memory"]), name
        in_memory = sum(
            mebibytes(volume["emptyDir"]["sizeLimit"])
            for volume in pod["spec"]["volumes"]
            if volume.get("emptyDir", {}).get("medium") == "Memory"
        )
        largest = max(mebibytes(each["resources"]["limits"]["memory"]) for each in pod["spec"]["containers"])
        assert in_memory <= largest / 2, f"{name}: files in memory count towards the limit"


def mebibytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()  # type: ignore[union-attr]
    return int(number) * (1024 if unit == "Gi" else 1)


def test_every_process_is_probed(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        container = pod["spec"]["containers"][0]
        probes = {kind: container[kind] for kind in container if kind.endswith("Probe")}
        if component(pod) == "migrate":
            assert probes == {}
            continue
        assert {"startupProbe", "livenessProbe"} <= set(probes), name
        for kind, probe in probes.items():
            assert probe["timeoutSeconds"] >= 3, (name, kind)
            if "httpGet" in probe:
                port_of(container, probe["httpGet"]["port"])


def test_web_is_asked_by_a_host_that_it_allows(overlay: str) -> None:
    web = ours(overlay)["web"]["spec"]["containers"][0]
    paths = {"startupProbe": "/readyz", "readinessProbe": "/healthz", "livenessProbe": "/healthz"}
    for kind, path in paths.items():
        asked = web[kind]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, "http")
        # Otherwise the host is the pod's address, and the scheme http would be redirected.
        assert asked["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


def test_workers_and_beat_are_probed_by_their_heartbeat(overlay: str) -> None:
    for name in ("worker", "pictures", "beat"):
        pod = ours(overlay)[name]
        container = pod["spec"]["containers"][0]
        assert settings_of(overlay, container)["HEARTBEAT_FILE"] == "/tmp/heartbeat"
        for kind in ("startupProbe", "livenessProbe"):
            assert container[kind]["exec"] == {"command": ["python", "-m", "foundation.heartbeat"]}
        assert container["livenessProbe"]["periodSeconds"] <= OLD_AFTER_SECONDS


def test_each_process_has_the_time_it_needs_to_stop(overlay: str, compose: Any) -> None:
    in_compose = int(compose["services"]["web"]["stop_grace_period"].removesuffix("s"))
    for name in PROCESSES:
        assert ours(overlay)[name]["spec"]["terminationGracePeriodSeconds"] == in_compose, name
    pause = ours(overlay)["web"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pause[0] == "sleep"
    assert int(pause[1]) + gunicorn.graceful_timeout < in_compose


def test_pods_of_one_kind_are_spread(overlay: str) -> None:
    for name in ("web", "worker", "pictures"):
        spread = ours(overlay)[name]["spec"]["topologySpreadConstraints"]
        keys = {each["topologyKey"] for each in spread}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        labels = ours(overlay)[name]["metadata"]["labels"]
        assert all(selects(each["labelSelector"], labels) for each in spread), name


# --- What belongs together ----------------------------------------------------------------------------------


def labels(overlay: str) -> dict[str, dict[str, str]]:
    return {name: pod["metadata"]["labels"] for name, pod in pods(overlay).items()}


def selected(overlay: str, selector: Manifest) -> set[str]:
    return {name for name, of_pod in labels(overlay).items() if selects(selector, of_pod)}


def port_of(container: Manifest, port: Any) -> int:
    """The number of a port that the container says it listens on."""
    known = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert port in known or port in known.values(), (container["name"], port)
    return int(known.get(port, port))


def test_each_deployment_selects_its_own_pods(overlay: str) -> None:
    makers = of_kind(overlay, "Deployment", "StatefulSet")
    for name, maker in makers.items():
        assert selected(overlay, maker["spec"]["selector"]) == {name}


def test_services_lead_to_ports_of_pods(overlay: str) -> None:
    for name, service in of_kind(overlay, "Service").items():
        (pod,) = selected(overlay, {"matchLabels": service["spec"]["selector"]})
        assert pod == name
        for port in service["spec"]["ports"]:
            port_of(pods(overlay)[pod]["spec"]["containers"][0], port["targetPort"])
    stores = settings_of(overlay, ours(overlay)["web"]["spec"]["containers"][0])
    hosts = {re.sub(r".*[@/]", "", stores[name].partition("?")[0].rpartition("/")[0]).partition(":")[0]
             for name in ("DATABASE_URL", "REDIS_URL")}  # fmt: skip
    assert (hosts <= set(of_kind(overlay, "Service"))) == (overlay == "small"), hosts


def test_the_route_leads_to_the_service_from_a_gateway(overlay: str) -> None:
    (route,) = of_kind(overlay, "HTTPRoute").values()
    assert route["spec"]["parentRefs"]
    services = of_kind(overlay, "Service")
    for rule in route["spec"]["rules"]:
        for backend in rule["backendRefs"]:
            ports = [port["port"] for port in services[backend["name"]]["spec"]["ports"]]
            assert backend["port"] in ports


def test_the_route_has_every_public_address_and_no_other(overlay: str) -> None:
    (route,) = of_kind(overlay, "HTTPRoute").values()
    matches = [each["path"] for rule in route["spec"]["rules"] for each in rule["matches"]]

    def is_routed(path: str) -> bool:
        return any(
            path == each["value"] or (each["type"] == "PathPrefix" and path.startswith(f"{each['value']}/"))
            for each in matches
        )

    addresses = {f"/{first_part(pattern)}" for pattern in patterns(get_resolver().url_patterns)}
    hidden = {"/metrics", "/readyz"}
    assert {"/v1", "/embed", "/media", "/healthz", "/"} | hidden <= addresses
    assert {path for path in addresses if is_routed(path)} == addresses - hidden
    assert is_routed("/static/app.css")
    unused = {each["value"].rstrip("/") or "/" for each in matches} - addresses - {"/static"}
    assert unused == set()


def patterns(found: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for each in found:
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, before + str(each.pattern))
        else:
            yield before + str(each.pattern)


def first_part(pattern: str) -> str:
    return pattern.lstrip("^").partition("/")[0].removesuffix("$").removesuffix("\\Z")


def test_budgets_select_pods_and_let_nodes_be_drained(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")
    assert {name: selected(overlay, each["spec"]["selector"]) for name, each in budgets.items()} == {
        name: {name} for name in ("web", "worker", "pictures")
    }
    assert all(each["spec"]["maxUnavailable"] == 1 for each in budgets.values())


def test_monitors_find_pages_with_the_token(overlay: str) -> None:
    (service_monitor,) = of_kind(overlay, "ServiceMonitor").values()
    (pod_monitor,) = of_kind(overlay, "PodMonitor").values()
    services = of_kind(overlay, "Service")
    found = {
        name for name, each in services.items()
        if selects(service_monitor["spec"]["selector"], each["metadata"]["labels"])
    }  # fmt: skip
    assert found == {"web"}
    (endpoint,) = service_monitor["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in services["web"]["spec"]["ports"]]
    assert selected(overlay, pod_monitor["spec"]["selector"]) == {"worker", "pictures"}
    (page,) = pod_monitor["spec"]["podMetricsEndpoints"]
    for name in ("worker", "pictures"):
        container = ours(overlay)[name]["spec"]["containers"][0]
        assert str(port_of(container, page["port"])) == settings_of(overlay, container)["WORKER_METRICS_PORT"]
    keys = yaml.safe_load(EXAMPLE.read_text())["stringData"]
    for each in (endpoint, page):
        assert each["path"] == "/metrics"
        assert each["authorization"]["credentials"]["name"] == "feeds-secrets"
        assert each["authorization"]["credentials"]["key"] in keys


def policies(overlay: str) -> dict[str, Manifest]:
    return {name: each["spec"] for name, each in of_kind(overlay, "NetworkPolicy").items()}


def test_policies_select_pods_and_ports_that_exist(overlay: str) -> None:
    for name, policy in policies(overlay).items():
        chosen = selected(overlay, policy["podSelector"])
        assert chosen, name
        for expression in policy["podSelector"].get("matchExpressions", []):
            assert chosen == set(expression["values"]) or "migrate" in expression["values"], name
        for rule in policy.get("ingress", []):
            for peer in rule["from"]:
                if "podSelector" in peer:
                    assert selected(overlay, peer["podSelector"]), name
            for port in rule["ports"]:
                assert any(listens(overlay, pod, port["port"]) for pod in chosen), (name, port)
        for rule in policy.get("egress", []):
            for peer in rule.get("to", []):
                if "podSelector" in peer:
                    (target,) = selected(overlay, peer["podSelector"])
                    assert all(listens(overlay, target, port["port"]) for port in rule["ports"]), name


def listens(overlay: str, pod: str, port: Any) -> bool:
    ports = pods(overlay)[pod]["spec"]["containers"][0].get("ports", [])
    return any(port in {each["name"], each["containerPort"]} for each in ports)


def test_nothing_is_allowed_that_is_not_listed(overlay: str) -> None:
    default = policies(overlay)["default"]
    assert selected(overlay, default["podSelector"]) == set(pods(overlay))
    assert set(default["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in default
    assert [port["port"] for rule in default["egress"] for port in rule["ports"]] == [53, 53]
    for name, policy in policies(overlay).items():
        assert all(rule.get("from") for rule in policy.get("ingress", [])), name
        assert all(rule.get("to") or name == "default" for rule in policy.get("egress", [])), name


def reach(overlay: str, port: Any) -> set[str]:
    """The pods that may connect to this port somewhere."""
    return {
        pod
        for policy in policies(overlay).values()
        if any(each["port"] == port for rule in policy.get("egress", []) for each in rule["ports"])
        for pod in selected(overlay, policy["podSelector"])
    }


def test_each_process_reaches_what_it_needs(overlay: str) -> None:
    job = next(iter(of_kind(overlay, "Job")))
    database, redis = ("postgres", "redis") if overlay == "small" else (5432, 6379)
    assert reach(overlay, redis) == {job, "web", "worker", "pictures", "beat"}
    assert reach(overlay, database) >= {job, "web", "worker", "pictures"}
    assert reach(overlay, 443) == {"web", "worker", "pictures"}
    assert reach(overlay, 587) == {"worker"}
    internet = [
        rule["to"]
        for name in ("to-the-internet", "worker-to-mail")
        for rule in policies(overlay)[name]["egress"]
    ]
    for targets in internet:
        v4, v6 = (each["ipBlock"] for each in targets)
        assert "169.254.0.0/16" in v4["except"], "the metadata service of clouds"
        assert "fe80::/10" in v6["except"]


def test_pictures_are_on_the_volume_of_one_host_or_in_a_bucket(overlay: str) -> None:
    storage = settings_of(overlay, ours(overlay)["web"]["spec"]["containers"][0])["MEDIA_STORAGE"]
    volumes = {
        name for name, pod in ours(overlay).items()
        for each in pod["spec"]["volumes"]
        if each.get("persistentVolumeClaim") == {"claimName": "media"}
    }  # fmt: skip
    if overlay == "small":
        assert (storage, volumes) == ("file", {"web", "worker", "pictures"})
        assert "media" in of_kind(overlay, "PersistentVolumeClaim")
    else:
        assert (storage, volumes) == ("s3", set())
        assert of_kind(overlay, "PersistentVolumeClaim") == {}
