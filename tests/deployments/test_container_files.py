"""The image, the Kubernetes manifests and the S3 policies, as far as files can be checked."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch

import boto3
import pytest
import yaml
from botocore.validate import ParamValidator
from prefect.client.schemas.actions import WorkPoolCreate

from tests.conftest import ROOT

DOCKERFILE = (ROOT / "deployments" / "Dockerfile").read_text()
KUBERNETES = ROOT / "deployments" / "kubernetes"


def pins(name):
    """Version of each package of a lock."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]+\])?==([^ ;\\]+)", text, re.MULTILINE))


def test_the_image_holds_what_is_tested_and_no_tools_of_tests():
    image, tested = pins("requirements-image.lock"), pins("requirements-cpu.lock")
    assert image.items() <= tested.items()
    assert (
        f"{len(image)} packages" in (ROOT / "docs" / "how-to" / "docker-kubernetes.md").read_text()
    )
    assert not {"pytest", "mypy", "ruff", "hypothesis", "playwright", "mkdocs", "optuna"} & set(
        image
    )
    assert "tensorflow-cpu" in image and "prefect-aws" in image
    (hatchling,) = set(re.findall(r"^ARG HATCHLING=(.+)$", DOCKERFILE, re.MULTILINE))
    assert hatchling == tested["hatchling"]


def test_the_image_that_serves_holds_neither_tensorflow_nor_prefect():
    serving, tested = pins("requirements-serve.lock"), pins("requirements-cpu.lock")
    assert serving.items() <= tested.items() and "onnxruntime" in serving
    assert not {"tensorflow-cpu", "keras", "prefect", "scikit-learn", "scipy", "onnx"} & set(
        serving
    )


def test_two_images_of_two_stages_from_a_pinned_base():
    assert re.findall(r"^FROM (.+)$", DOCKERFILE, re.MULTILINE) == [
        f"${{BASE}}{name}" for name in (" AS build", " AS build-serve", " AS serve", "")
    ]
    assert re.search(r"^ARG BASE=python:3\.12\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.rindex("USER 10001") > DOCKERFILE.rindex("RUN ")


def test_the_build_sees_each_file_that_it_copies():
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")
    ]
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert len(copied) > 7
    for source in copied:
        assert (ROOT / source).exists() and any(fnmatch(source, known) for known in allowed), source


def test_prefect_takes_the_job_template_and_a_job_has_volume_limits_and_grace():
    template = json.loads((KUBERNETES / "job.json").read_text())
    WorkPoolCreate(name="k", type="kubernetes", base_job_template=template)
    variables = template["variables"]["properties"]
    job = template["job_configuration"]["job_manifest"]
    assert set(re.findall(r"{{ (\w+) }}", json.dumps(job))) <= set(variables)
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"work": "/work", "scratch": "/tmp"}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
    assert set(container["resources"]) == {"requests", "limits"}
    assert pod["securityContext"]["runAsUser"] == 10001 and "--uid 10001" in DOCKERFILE
    assert variables["grace_seconds"]["default"] >= 60


def test_the_worker_fits_template_and_deployments():
    parts = list(yaml.safe_load_all((KUBERNETES / "worker.yaml").read_text()))
    by_kind = {}
    for part in parts:
        by_kind.setdefault(part["kind"], []).append(part)
        assert part["kind"] == "Namespace" or part["metadata"]["namespace"] == "fastlstm"
    accounts = {part["metadata"]["name"] for part in by_kind["ServiceAccount"]}
    variables = json.loads((KUBERNETES / "job.json").read_text())["variables"]["properties"]
    (claim,) = by_kind["PersistentVolumeClaim"]
    assert claim["metadata"]["name"] == variables["work_claim"]["default"]
    assert variables["service_account_name"]["default"] in accounts
    (worker,) = by_kind["Deployment"]
    pod = worker["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] in accounts
    assert "fastlstm-kubernetes" in pod["containers"][0]["args"]
    deployed = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())
    pool = deployed["definitions"]["kubernetes"]["work_pool"]
    assert pool["name"] == "fastlstm-kubernetes" and set(pool["job_variables"]) <= set(variables)


def test_the_dask_cluster_has_the_volume_of_the_jobs_and_the_address_of_the_page():
    cluster = yaml.safe_load((KUBERNETES / "dask-cluster.yaml").read_text())
    name, namespace = (cluster["metadata"][key] for key in ("name", "namespace"))
    spec, page = cluster["spec"], (ROOT / "docs" / "how-to" / "clusters.md").read_text()
    service = spec["scheduler"]["service"]
    (port,) = (port["port"] for port in service["ports"] if port["name"] == "tcp-comm")
    assert f"tcp://{name}-scheduler.{namespace}:{port}" in page
    # Labels that the operator gives the scheduler's pod.
    assert service["selector"] == {
        "dask.org/cluster-name": name, "dask.org/component": "scheduler",
    }  # fmt: skip
    images = {spec[part]["spec"]["containers"][0]["image"] for part in ("worker", "scheduler")}
    assert len(images) == 1 and f"--tag {images.pop()}" in page
    pod = spec["worker"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"work": "/work", "scratch": "/tmp"}
    parts = list(yaml.safe_load_all((KUBERNETES / "worker.yaml").read_text()))
    names = {(part["kind"], part["metadata"]["name"]) for part in parts}
    (claim,) = (
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if volume["name"] == "work"
    )
    assert ("PersistentVolumeClaim", claim) in names
    assert ("ServiceAccount", pod["serviceAccountName"]) in names and (
        "Namespace",
        namespace,
    ) in names


def filled(part, values):
    """A part of the job template with the values of its variables; what has none is left out."""
    if isinstance(part, dict):
        made = {key: filled(item, values) for key, item in part.items()}
        return {key: item for key, item in made.items() if item is not None}
    if isinstance(part, list):
        return [filled(item, values) for item in part]
    if isinstance(part, str) and (found := re.fullmatch(r"{{ (\w+) }}", part)):
        return values.get(found[1])
    return (
        re.sub(r"{{ (\w+) }}", lambda name: str(values[name[1]]), part)
        if isinstance(part, str)
        else part
    )


def wanted_of_kubernetes():
    """The worker's manifests, and a job as a worker fills the template."""
    template = json.loads((KUBERNETES / "job.json").read_text())
    values = {
        name: given["default"]
        for name, given in template["variables"]["properties"].items()
        if "default" in given
    }
    values |= {
        "name": "retrain", "labels": {"run": "x"}, "command": ["prefect", "flow-run", "execute"],
        "env": [{"name": "PREFECT_API_URL", "value": "http://prefect:4200/api"}], "image": "fastlstm",
    }  # fmt: skip
    job = filled(template["job_configuration"]["job_manifest"], values)
    return [*yaml.safe_load_all((KUBERNETES / "worker.yaml").read_text()), job]


@pytest.mark.soak
@pytest.mark.parametrize("version", ["1.30.0", "1.37.0"])
def test_kubernetes_takes_the_manifests(version):
    """By the schemas of two releases, in which an unknown key is an error."""
    validator = pytest.importorskip("kubernetes_validate")
    manifests = wanted_of_kubernetes()
    assert len(manifests) > 4
    for manifest in manifests:
        validator.validate(manifest, version, strict=True)
    manifests[-1]["spec"]["template"]["spec"]["gracePeriod"] = 1
    with pytest.raises(validator.ValidationError):
        validator.validate(manifests[-1], version, strict=True)


def test_the_lifecycle_is_one_that_s3_takes():
    rules = json.loads((ROOT / "deployments" / "s3" / "lifecycle.json").read_text())
    client = boto3.client(
        "s3", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    shape = client.meta.service_model.operation_model("PutBucketLifecycleConfiguration").input_shape
    given = {"Bucket": "b", "LifecycleConfiguration": rules}
    assert not ParamValidator().validate(given, shape).has_errors()
    # A champion may be old: nothing of the store itself expires.
    for rule in rules["Rules"]:
        assert "Expiration" not in rule or "/.quarantine/" in rule["Filter"]["Prefix"]


def test_the_policy_allows_what_the_store_asks():
    actions = {
        action
        for statement in json.loads((ROOT / "deployments/s3/policy.json").read_text())["Statement"]
        for action in statement["Action"]
    }
    code = "".join(f.read_text() for f in (ROOT / "tasks" / "storage").glob("s3_*.py"))
    for call, action in {
        "get_object": "s3:GetObject", "put_object": "s3:PutObject", "list_objects": "s3:ListBucket",
        "delete_object": "s3:DeleteObject", "abort_multipart": "s3:AbortMultipartUpload",
        "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    }.items():  # fmt: skip
        assert call not in code or action in actions
    assert {"kms:Decrypt", "kms:GenerateDataKey"} <= actions
