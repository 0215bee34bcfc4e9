"""End to end, as a company runs it: server, worker, deployments, bucket, each a real process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from prefect.exceptions import PrefectHTTPStatusError

from fastlstm.runs.saved_run import SavedRun
from flows.cli.main import main
from tests.conftest import ROOT
from tests.deployments.company import PASSWORD, recent_panel

pytestmark = pytest.mark.soak


def test_run_through_the_api_with_a_changed_parameter(company):
    config = {**company.config, "hyperparameters": {**company.config["hyperparameters"], "seed": 5}}
    run_id = company.start("retrain/retrain-nightly", config=config, reason="asked by hand")
    # It holds the one slot of its model; whoever finds that taken is told and does not wait.
    slot = "fastlstm retrain small"
    company.shows(run_id, lambda: company.slots_taken(slot) == 1)
    ended = company.ended(run_id)
    assert ended["state"]["type"] == "COMPLETED", company.logs(run_id)
    company.ask("POST", "/v2/concurrency_limits/increment", names=[slot], slots=1)
    try:
        late = company.ended(company.start("retrain/retrain-weekly-full"))
    finally:
        company.ask("POST", "/v2/concurrency_limits/decrement", names=[slot], slots=1)
    assert late["state"]["name"] == "Skipped"
    assert late["state"]["message"].startswith("Skipped: another retrain of 'small' is running")

    message = ended["state"]["message"]
    assert message.startswith(("Promoted: MAE ", "Kept champion: ", "Not promoted: "))
    store = company.store()
    entry = store.runs("small")[-1]
    run = SavedRun(store.run_folder("small", entry.run_id))
    assert run.hyperparameters.seed == 5
    decision = store.champion("small").decision_on(entry.run_id)
    assert decision.reason in message

    report = company.artifact("small-report")
    assert report["data"].startswith(f"# {message}\n\nStarted because: asked by hand\n")
    assert report["data"].count("data:image/png;base64,") >= 3
    assert f"{company.s3.endpoint_url}/models/production/small/" in report["data"]
    assert "## Data checks" in report["data"] and "| seasonal naive |" in report["data"]
    assert company.artifact("small-metrics")["data"].startswith("[")
    assert "3 epochs" in company.artifact("small-training")["description"]
    logs = company.logs(run_id)
    assert not any("local-secret-key" in line or "Traceback" in line for line in logs)
    assert [line for line in set(logs) if logs.count(line) > 1] == []


def test_new_data_of_an_unknown_model_is_refused(company):
    done = subprocess.run(
        [sys.executable, "-m", "deployments.emit_new_data", "smal", "x"],
        env=company.environment, cwd=ROOT, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 2 and "no deployment retrains 'smal'" in done.stderr


def test_new_data_event_starts_a_retraining(company):
    before = len(company.store().runs("small"))
    company.put_rows("readings/history.csv", recent_panel(264))
    company.run("deployments.emit_new_data", "small", "eleven days")
    (run,) = company.appears(lambda: company.runs_of("retrain/retrain-on-event"))
    assert run["parameters"]["reason"] == "new data: eleven days"
    ended = company.ended(run["id"])
    assert ended["state"]["type"] == "COMPLETED", company.logs(run["id"])
    assert len(company.store().runs("small")) == before + 1
    assert "Started because: new data: eleven days" in company.artifact("small-report")["data"]


def test_schedule_due_in_seconds(company):
    company.schedule("retrain/due-soon", 5)
    run = company.appears(lambda: company.runs_of("retrain/due-soon", by_schedule=True))[0]
    ended = company.ended(run["id"])
    assert ended["auto_scheduled"] and ended["state"]["type"] == "COMPLETED"
    assert ended["state"]["message"].startswith("No new data since "), ended["state"]


def test_drifted_data_in_event_out_retraining_started(company):
    """The closed loop: scoring keeps its inputs, monitoring sees them, the event starts training."""
    store = company.store()
    if store.champion("small").champion is None:
        newest = store.runs("small")[-1].run_id
        store.update_champion("small", lambda r: r.promoted(newest, "for this test"))
    rows = recent_panel(40)
    company.put_rows("newest/rows.csv", rows.assign(heat=rows["heat"] + 400))
    scored = company.ended(company.start("predict/score-hourly"))
    assert scored["state"]["message"].startswith("Scored 2 series with run "), scored["state"]

    before = {run["id"] for run in company.runs_of("retrain/retrain-on-event")}
    watched = company.ended(company.start("monitor/monitor-daily"))
    told = r"[12] of 2 inputs drifted, most 'heat' \(PSI "
    assert re.match(f"Degraded: {told}", watched["state"]["message"]), watched["state"]

    def started():
        return [r for r in company.runs_of("retrain/retrain-on-event") if r["id"] not in before]

    (run,) = company.appears(started)
    assert re.match(told, run["parameters"]["reason"])
    ended = company.ended(run["id"])
    assert ended["state"]["message"].startswith("No new data since "), ended["state"]


def test_every_deployment_says_what_it_is(company):
    wanted = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
    for given in wanted:
        flow = given["entrypoint"].rpartition(":")[2]
        found = company.deployment(f"{flow}/{given['name']}")
        assert found["description"] == given["description"]
        assert set(given["tags"]) <= set(found["tags"])
        assert found["enforce_parameter_schema"]
        assert "config" in found["parameter_openapi_schema"]["properties"]
        assert found["global_concurrency_limit"]["limit"] == 1
        assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
        assert re.fullmatch(r"[0-9a-f]{7,}", found["version"])
        for schedule in found["schedules"]:
            zone = "UTC" if given["name"] == "score-hourly" else "America/New_York"
            assert schedule["schedule"]["timezone"] == zone and schedule["slug"]
        assert found["work_pool_name"] == "fastlstm-process"


def test_bad_parameters_are_refused_before_a_run_exists(company):
    before = len(company.runs_of("retrain/retrain-nightly"))
    wrong = {**company.config, "epochz": 3}
    with pytest.raises(PrefectHTTPStatusError, match="epochz"):
        company.start("retrain/retrain-nightly", config=wrong)
    assert len(company.runs_of("retrain/retrain-nightly")) == before


def test_predictions_are_in_the_bucket(company):
    client = company.s3.client()
    listed = client.list_objects_v2(Bucket="models", Prefix="forecasts/small/forecasts/")
    frames = [
        pd.read_parquet(f"{company.folder}/{i}.parquet")
        for i, item in enumerate(listed["Contents"])
        if client.download_file("models", item["Key"], f"{company.folder}/{i}.parquet") is None
    ]
    kept = pd.concat(frames)
    assert len(kept) == 4 and not kept.duplicated(["run_id", "series", "origin", "step"]).any()


def test_command_line_over_s3(company, tmp_path):
    """What works on a folder works on a bucket: runs, show, predict, promote, rollback, load."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({**company.config, "work": str(tmp_path / "work")}))
    store = company.store()
    if len(store.runs("small")) < 2:  # the browser test, which makes one, may have been skipped
        other = {**company.config["hyperparameters"], "seed": 7}
        config = {**company.config, "hyperparameters": other}
        company.ended(company.start("retrain/retrain-nightly", config=config))
    earlier, newest = [entry.run_id for entry in store.runs("small")[-2:]]

    def told(*arguments):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    listed = told("runs", str(file))
    assert earlier in listed and newest in listed
    store.update_champion("small", lambda r: r.model_copy(update={"champion": None}))
    assert f"champion of 'small': {earlier}" in told("promote", str(file), earlier)
    store.update_champion("small", lambda r: r.promoted(newest, "for this test"))
    assert f"champion of 'small': {earlier}" in told("rollback", str(file))
    assert store.champion("small").champion == earlier
    shown = told("show", store.location("small", newest))
    assert "Files, checked against the manifest" in shown and "manifest" in shown

    out = tmp_path / "forecast.parquet"
    made = told("predict", str(file), "--input", "s3://raw/newest/rows.csv", "--output", str(out))
    assert f"4 forecasts of 2 series by run {earlier}" in made
    code = (
        "from fastlstm import fastLSTM; import pandas as pd, sys; "
        "model = fastLSTM().load_all(sys.argv[1]); "
        "print(model.hyperparameters['model_training_datetime'], model.model.count_params() > 0)"
    )
    file = tmp_path / "load.py"
    file.write_text(code)
    done = subprocess.run(
        [sys.executable, str(file), store.location("small", earlier)],
        env={**company.environment, "HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[-2] == f"{earlier} True", done.stderr


def test_refused_data_ends_in_words_and_people_are_told(company):
    """A real notification through a block of Prefect, to a web server of this test."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from prefect.settings import PREFECT_API_URL, temporary_settings

    heard: list[str] = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    block = CustomWebhookNotificationBlock(
        name="oncall", url=f"http://127.0.0.1:{server.server_port}", method="POST",
        json_data={"text": "{{subject}} | {{body}}"},
    )  # fmt: skip
    broken = recent_panel(240)
    broken.loc[3, "load"] = float("inf")
    try:
        with temporary_settings({PREFECT_API_URL: company.environment["PREFECT_API_URL"]}):
            block.save("oncall", overwrite=True)
        made = company.run("deployments.automations", "custom-webhook/oncall")
        assert made.count("made: ") == 5
        ours = company.ask("POST", "/automations/filter")
        assert sum(a["name"].startswith("fastlstm: ") for a in ours) == 5
        company.put_rows("readings/history.csv", broken)
        run_id = company.start("retrain/retrain-nightly")
        ended = company.ended(run_id)
        company.appears(lambda: heard)
    finally:
        server.shutdown()
        company.put_rows("readings/history.csv", recent_panel(240))
    message = ended["state"]["message"]
    assert ended["state"]["type"] == "FAILED" and message.startswith("Data refused: 1 of ")
    assert "checks failed, first: finite · load: 1 rows: infinite values" in message
    assert not any("Traceback" in line for line in company.logs(run_id))
    report = company.artifact("small-report")["data"]
    assert report.startswith("# Data refused: 1 of") and "| finite | load | 1 |" in report
    assert "retrain · small" in heard[0] and "infinite values" in heard[0]


def test_no_secret_is_written_anywhere(company):
    """Not in logs, artifacts, states, parameters, runs, reports or between them; the last test."""
    data = {**company.config["data"], "path": "env:WAREHOUSE_URL", "query": "SELECT 1 AS load"}
    run = company.ended(
        company.start("retrain/retrain-nightly", config={**company.config, "data": data})
    )
    assert run["state"]["type"] == "FAILED" and "env:WAREHOUSE_URL" in run["state"]["message"]
    secrets = [PASSWORD, company.s3.secret_key]
    told = [company.ask("POST", "/events/filter")["events"]]
    for what in ("logs", "artifacts", "flow_runs", "task_runs", "deployments"):
        pages = [company.ask("POST", f"/{what}/filter")]
        while len(pages[-1]) == 200:
            pages.append(company.ask("POST", f"/{what}/filter", offset=200 * len(pages)))
        told.append([entry for page in pages for entry in page])
    client = company.s3.client()
    objects = [
        (bucket, item["Key"])
        for bucket in ("models", "raw")
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for item in page.get("Contents", [])
    ]
    files = [f for f in company.folder.rglob("*") if f.is_file() and not f.is_symlink()]
    assert all(len(part) for part in told) and len(objects) > 20 and len(files) > 30
    for secret in secrets:
        assert not any(secret in json.dumps(part) for part in told)
        for bucket, key in objects:
            content = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            assert secret.encode() not in content, key
        for file in files:
            assert secret.encode() not in file.read_bytes(), file
