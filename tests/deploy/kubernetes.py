"""deploy/kubernetes: each overlay, put together as Kustomize does it as far as these files need it, is what Kubernetes takes,
and names settings of the worker only.

usage: kubernetes.py HELP_TEXT
"""

import copy
import pathlib
import re
import sys

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2] / "deploy/kubernetes"
SETTINGS = set(re.findall(r"\[env: ([A-Z_]+)", pathlib.Path(sys.argv[1]).read_text()))
# Of each cloud's own client.
CLOUD = {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
# preStop by `sleep` came with 1.30.
VERSIONS = ["1.30", "1.37"]
KNOWN = {"apiVersion", "kind", "resources", "patches", "secretGenerator", "images", "labels"}


def read(path):
    (document,) = yaml.safe_load_all(path.read_text())
    return document


def merged(there, patch):
    """A strategic merge: maps by their keys, lists of named things by their names, and `null` takes away."""
    if isinstance(there, dict) and isinstance(patch, dict):
        result = dict(there)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(there[key], value) if key in there else value
        return result
    if isinstance(there, list) and isinstance(patch, list) and all("name" in one for one in patch):
        result = [dict(one) for one in there]
        for one in patch:
            at = next((at for at, known in enumerate(result) if known["name"] == one["name"]), None)
            if at is None:
                result.append(one)
            else:
                result[at] = merged(result[at], one)
        return result
    return patch


def name_of(document):
    return document["kind"], document["metadata"]["name"]


def built(folder):
    """The objects of a kustomization."""
    kustomization = read(folder / "kustomization.yaml")
    assert set(kustomization) <= KNOWN, f"{folder}: this cannot put together {set(kustomization) - KNOWN}"
    objects = {}
    for resource in kustomization["resources"]:
        path = folder / resource
        for document in built(path) if path.is_dir() else [read(path)]:
            assert name_of(document) not in objects, name_of(document)
            objects[name_of(document)] = document
    for patch in kustomization.get("patches", []):
        patch = read(folder / patch["path"])
        objects[name_of(patch)] = merged(objects[name_of(patch)], patch)
    for labels in kustomization.get("labels", []):
        for document in objects.values():
            document["metadata"].setdefault("labels", {}).update(labels["pairs"])
    for secret in kustomization.get("secretGenerator", []):
        (envs,) = secret["envs"]
        lines = (folder / f"{envs}.example").read_text().splitlines()
        data = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
        meta = {"name": secret["name"]}
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "stringData": data}
        objects[name_of(document)] = document
    for image in kustomization.get("images", []):
        for document in objects.values():
            for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return copy.deepcopy(list(objects.values()))


def seconds(text):
    return int(text.removesuffix("s"))


def pod_of(objects):
    (workload,) = [document for document in objects if document["kind"] == "Deployment"]
    pod = workload["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    return workload["spec"], pod, container


def is_hardened(pod, container):
    security = pod["spec"]["securityContext"]
    assert security["runAsNonRoot"] and security["runAsUser"] == security["fsGroup"] == 65532, "the image's user"
    assert security["seccompProfile"]["type"] == "RuntimeDefault"
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"] and own["capabilities"]["drop"] == ["ALL"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "512Mi"}


def stops_in_time(pod, container):
    grace = {variable["name"]: variable["value"] for variable in container["env"]}["TELESTORE_SHUTDOWN_GRACE"]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    # Five seconds to hand over, and one for last words.
    assert pod["spec"]["terminationGracePeriodSeconds"] > before + seconds(grace) + 6


def probes(container):
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}
    port = next(variable["value"] for variable in container["env"] if variable["name"] == "PORT")
    assert container["ports"] == [{"name": "http", "containerPort": int(port)}]


def settings(objects, container):
    (secret,) = [document for document in objects if document["kind"] == "Secret"]
    assert container["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]
    names = {variable["name"] for variable in container["env"]} | set(secret["stringData"])
    assert names <= SETTINGS | CLOUD, names - SETTINGS - CLOUD
    return set(secret["stringData"])


def selects(objects, pod):
    labels = pod["metadata"]["labels"].items()
    for document in objects:
        selector = document.get("spec", {}).get("selector", {})
        selector = selector.get("matchLabels", selector)
        assert selector.items() <= labels, name_of(document)


def overlay(name):
    objects = built(ROOT / "overlays" / name)
    for document in objects:
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    spec, pod, container = pod_of(objects)
    assert container["image"] != "telestore-worker", "the overlay says where the image is"
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["spec"]["volumes"]}
    is_hardened(pod, container)
    stops_in_time(pod, container)
    probes(container)
    selects(objects, pod)
    kinds = {document["kind"] for document in objects}
    return spec, pod, settings(objects, container), kinds


def sqlite():
    spec, pod, names, kinds = overlay("sqlite")
    assert spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"}, "one worker for each data directory"
    data = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "data")
    assert data == {"name": "data", "persistentVolumeClaim": {"claimName": "telestore-worker"}}, data
    assert "PersistentVolumeClaim" in kinds and "TELESTORE_DATABASE_URL" not in names


def cluster():
    spec, _, names, kinds = overlay("cluster")
    assert spec["replicas"] > 1 and spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert {"TELESTORE_DATABASE_URL", "TELESTORE_CHUNKS_URL", "TELESTORE_SECRET_KEY"} <= names
    assert "PodDisruptionBudget" in kinds and "PersistentVolumeClaim" not in kinds


for check in (sqlite, cluster):
    check()
    print(f"ok kubernetes {check.__name__}")
