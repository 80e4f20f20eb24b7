"""The Kubernetes manifests as `kubectl apply -k` would send them, and their schemas."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.conftest import needs
from tests.deployment.kubernetes_schemas import TARGET

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = ("small", "large")
Manifest = dict[str, Any]


@cache
def built(overlay: str) -> tuple[Manifest, ...]:
    """All objects of an overlay."""
    return rendered(FOLDER / "overlays" / overlay)


def rendered(folder: Path) -> tuple[Manifest, ...]:
    beside = Path(sys.executable).with_name("kubectl")  # of the test requirements
    kubectl = str(beside) if beside.exists() else shutil.which("kubectl")
    needs("kubectl", kubectl is not None)
    command = (str(kubectl), "kustomize", str(folder))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, *kinds: str) -> dict[str, Manifest]:
    """The objects of these kinds by name."""
    return {each["metadata"]["name"]: each for each in built(overlay) if each["kind"] in kinds}


def pods(overlay: str) -> dict[str, Manifest]:
    """The pod templates, by the name of what makes the pods."""
    makers = of_kind(overlay, "Deployment", "StatefulSet", "Job")
    return {name: maker["spec"]["template"] for name, maker in makers.items()}


def component(pod: Manifest) -> str:
    name: str = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    return name


def ours(overlay: str) -> dict[str, Manifest]:
    """The pod templates that run our image, by component."""
    return {
        component(pod): pod
        for pod in pods(overlay).values()
        if "instagram-feed-service" in pod["spec"]["containers"][0]["image"]
    }


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def settings_of(overlay: str, container: Manifest) -> dict[str, str]:
    """What the container finds in its environment. Values that only the cluster knows are empty."""
    maps = of_kind(overlay, "ConfigMap")
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]["data"]
    return found | {each["name"]: each.get("value", "") for each in container.get("env", [])}


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """As Kubernetes decides. An empty selector selects everything."""
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    return all(
        expression["operator"] == "In" and labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
    )


@cache
def _schemas() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(TARGET.read_text())
    return read


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _schemas()["$defs"]})


def faults(manifest: Manifest) -> Iterator[str]:
    """Where the manifest doesn't follow its schema. Unknown kinds and unknown fields are faults."""
    kind = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
    name = _schemas()["kinds"].get(kind)
    if name is None:
        yield f"no schema of {kind}"
        return
    for error in _validator(name).iter_errors(manifest):
        yield f"{kind} {error.json_path}: {error.message[:300]}"
