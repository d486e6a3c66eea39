# SPDX-License-Identifier: Apache-2.0
"""The files in deploy/ say what the binary and the cluster need."""

import base64
import os
import re
import shutil
import subprocess

import pytest
import yaml

import harness

K8S = os.path.join(harness.ROOT, "deploy", "k8s")


def read(*parts):
    with open(os.path.join(harness.ROOT, "deploy", *parts), encoding="utf-8") as file:
        return file.read()


def rendered():
    """The cluster's objects: by kubectl where there is one, else from the files themselves."""
    if shutil.which("kubectl"):
        text = subprocess.run(["kubectl", "kustomize", K8S], capture_output=True, text=True,
                              check=True, timeout=60).stdout
        return list(yaml.safe_load_all(text))
    kustomization = yaml.safe_load(read("k8s", "kustomization.yaml"))
    objects = [item for name in kustomization["resources"]
               for item in yaml.safe_load_all(read("k8s", name))]
    for generator in kustomization["configMapGenerator"]:
        objects.append({"kind": "ConfigMap", "metadata": {"name": generator["name"]},
                        "data": {name: read("k8s", name) for name in generator["files"]}})
    return objects


@pytest.fixture(scope="module")
def objects():
    return {(item["kind"], item["metadata"]["name"].split("-config")[0]): item
            for item in rendered()}


@pytest.fixture(scope="module")
def pod(objects):
    return objects["StatefulSet", "segment-gateway"]["spec"]["template"]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def config(objects):
    return objects["ConfigMap", "segment-gateway"]["data"]["gateway.yaml"]


def test_everything_is_there(objects):
    assert {kind for kind, _ in objects} == {"StatefulSet", "Service", "ConfigMap",
                                             "PodDisruptionBudget"}


def test_the_binary_accepts_the_cluster_configuration(objects, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(config(objects))
    secret = yaml.safe_load(read("k8s", "secret.example.yaml"))["stringData"]
    names = set(re.findall(r"\$\{(\w+)\}", config(objects)))
    assert names == set(secret), "the Secret and the configuration name different values"
    values = {name: "example-" + name.lower().replace("_", "-") for name in names}
    values["MASTER_KEY"] = base64.b64encode(bytes(32)).decode()
    result = harness.run("check-config", "--config", str(path), env=values)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["quickstart.yaml", "segment.yaml"])
def test_the_binary_accepts_the_other_configurations(name):
    result = harness.run("check-config", "--config", os.path.join(harness.ROOT, "deploy", name),
                         env={"SEGMENT_WRITE_KEY": "x" * 32})
    assert result.returncode == 0, result.stderr


def test_the_pod_is_unprivileged(pod):
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False
    user = pod["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in read("Dockerfile")
    container = pod["spec"]["containers"][0]["securityContext"]
    assert container["readOnlyRootFilesystem"] is True
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}


def test_ports_and_probes_meet_the_configuration(objects, pod):
    settings = yaml.safe_load(config(objects))
    container = pod["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for name, port in ports.items():
        assert settings[name]["listen"] == f"0.0.0.0:{port}"
    paths = {probe: container[probe]["httpGet"]["path"]
             for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez",
                     "readinessProbe": "/readyz"}
    assert {container[probe]["httpGet"]["port"] for probe in paths} == {"admin"}
    notes = pod["metadata"]["annotations"]
    assert notes["prometheus.io/scrape"] == "true"
    assert notes["prometheus.io/path"] == "/metrics"
    assert int(notes["prometheus.io/port"]) == ports["admin"]
    service = objects["Service", "segment-gateway"]["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == ports


def test_the_queue_is_on_the_volume_that_stays(objects, pod):
    settings = yaml.safe_load(config(objects))
    container = pod["spec"]["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert settings["storage"]["path"].startswith(mounts["data"] + "/")
    assert f"VOLUME {mounts['data']}" in read("Dockerfile")
    assert container["args"][-1] == mounts["config"] + "/gateway.yaml"
    claims = objects["StatefulSet", "segment-gateway"]["spec"]["volumeClaimTemplates"]
    assert [claim["metadata"]["name"] for claim in claims] == ["data"]


def test_the_configuration_is_the_one_that_is_mounted(objects, pod):
    volume = next(v for v in pod["spec"]["volumes"] if v["name"] == "config")
    assert volume["configMap"]["name"] == objects["ConfigMap", "segment-gateway"]["metadata"]["name"]


def test_the_pod_has_time_to_stop(objects, pod):
    settings = yaml.safe_load(config(objects))
    assert pod["spec"]["terminationGracePeriodSeconds"] > seconds(settings["shutdown"]["deadline"])


def test_selectors_match_the_pod(objects, pod):
    labels = pod["metadata"]["labels"]
    for (kind, _), item in objects.items():
        selector = item.get("spec", {}).get("selector", {})
        selector = selector.get("matchLabels", selector)
        if kind != "ConfigMap":
            assert selector.items() <= labels.items(), kind
    stateful = objects["StatefulSet", "segment-gateway"]["spec"]
    assert ("Service", stateful["serviceName"]) in objects
