"""`python -m tests.deployment.kubernetes_schemas WHEEL CRD…`: write tests/data/kubernetes/schemas.json anew.

The file has the schemas of the kinds in deploy/kubernetes/, so that the manifests are checked without a cluster and
without a network. WHEEL is a wheel of `kubernetes-validate`, which has the schemas of Kubernetes' own kinds (`pip
download --no-deps kubernetes-validate`). Each CRD is the CustomResourceDefinition of another kind, as its project
publishes it. tests/data/kubernetes/README.md says which versions the file was made from.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).resolve().parent.parent / "data/kubernetes/schemas.json"
KINDS = {
    "v1": ("ConfigMap", "Namespace", "PersistentVolumeClaim", "Secret", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
}
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# Texts, and rules in a special language, which only the API server evaluates.
LEFT_OUT = ("description", "x-kubernetes-validations", "x-kubernetes-group-version-kind")


def core(wheel: Path) -> dict[str, Any]:
    """The definitions of the newest version in the wheel, by name. They allow no unknown field."""
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if name.endswith("-local-strict/_definitions.json")]
        newest = max(found, key=lambda name: int(name.split("/")[-2].split(".")[1]))
        definitions: dict[str, Any] = json.loads(archive.read(newest))["$defs"]
    return definitions


def names_of(definitions: dict[str, Any]) -> dict[str, str]:
    """The definition of each kind in KINDS, by "apiVersion kind"."""
    known = {
        (f"{each['group']}/{each['version']}".lstrip("/"), each["kind"]): name
        for name, definition in definitions.items()
        for each in definition.get("x-kubernetes-group-version-kind", [])
    }
    return {f"{version} {kind}": known[version, kind] for version, kinds in KINDS.items() for kind in kinds}


def strict(schema: Any) -> Any:
    """A CRD's schema as JSON Schema that allows no unknown field."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(part) for name, part in schema.items()}
    if isinstance(made.get("properties"), dict) and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def custom(text: str) -> Iterator[tuple[str, Any]]:
    """("apiVersion kind", schema) of the stored version of a CustomResourceDefinition."""
    spec = yaml.safe_load(text)["spec"]
    for version in spec["versions"]:
        if version["storage"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"$ref": f"#/$defs/{METADATA}"}
            yield f"{spec['group']}/{version['name']} {spec['names']['kind']}", schema


def without_texts(schema: Any, *, inside: str = "") -> Any:
    if isinstance(schema, list):
        return [without_texts(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: without_texts(part, inside=name)
        for name, part in schema.items()
        if inside == "properties" or name not in LEFT_OUT
    }


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from references(part)


def bundle(definitions: dict[str, Any], others: Iterable[str]) -> dict[str, Any]:
    kinds = names_of(definitions)
    for text in others:
        for kind, schema in custom(text):
            kinds[kind] = kind.replace("/", ".").replace(" ", ".")  # a name that a reference can have
            definitions[kinds[kind]] = schema
    needed, open_names = set(), set(kinds.values())
    while open_names:
        needed |= open_names
        open_names = {name for each in open_names for name in references(definitions[each])} - needed
    return {"kinds": kinds, "$defs": {name: without_texts(definitions[name]) for name in sorted(needed)}}


def main(wheel: str, *crds: str) -> None:
    made = bundle(core(Path(wheel)), [Path(crd).read_text() for crd in crds])
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(schema, separators=(',', ':'), sort_keys=True)}"
        for name, schema in made["$defs"].items()
    )
    kinds = json.dumps(made["kinds"], indent=1, sort_keys=True)
    TARGET.write_text(f'{{"kinds": {kinds},\n"$defs": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
