"""The weekly upkeep on a real Prefect: what it deletes, and what it does about damage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fastlstm.config.reading import check_settings
from fastlstm.registry.folder_store import FolderStore
from tasks.settings import UpkeepConfig
from tests.tasks.test_work_folder import age

pytestmark = pytest.mark.usefixtures("prefect_server")


def build(folder, run_id):
    (folder / "x.txt").write_text(run_id)
    return {"fingerprint": "f"}


def upkeep(folder, **changes):
    from flows.upkeep import upkeep as flow

    given = {
        "model_name": "m", "store": str(folder / "runs"), "work": str(folder / "work"),
        "retention": {"runs": 2, "work_days": 3}, **changes,
    }  # fmt: skip
    return flow(check_settings(given, UpkeepConfig), return_state=True)


def test_old_runs_and_unused_results_go_and_damage_stops_it(tmp_path):
    store = FolderStore(tmp_path / "runs")
    made = [
        store.add_run(name, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day), build).run_id
        for name in ("m", "m/region=north") for day in range(4)
    ][:4]  # fmt: skip
    store.update_champion("m", lambda record: record.promoted(made[0], "first"))
    result = tmp_path / "work" / "load" / ("a" * 32)
    result.mkdir(parents=True)
    (result / "rows").write_bytes(bytes(1000))
    age(tmp_path / "work", 4)

    state = upkeep(tmp_path)
    assert state.message == (
        "8 runs verified, 3 runs pruned, 1 intermediate results deleted (0.0 MB)"
    )
    assert [entry.run_id for entry in store.runs("m")] == [made[0], *made[2:]]
    assert len(store.runs("m/region=north")) == 2 and not result.exists()

    # The deployments of models by group name all of them.
    assert "2 runs pruned" in upkeep(tmp_path, model_name="m/all", retention={"runs": 1}).message
    assert len(store.runs("m/region=north")) == 1 and len(store.runs("m")) == 2

    (tmp_path / "runs" / "m" / made[3] / "x.txt").write_text("damaged")
    state = upkeep(tmp_path, retention={"runs": 1})
    assert state.is_failed() and state.message.startswith("Damaged: 1 problems in ")
    assert len(store.runs("m")) == 2
