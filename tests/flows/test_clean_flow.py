"""What the flow ``retrain`` rebuilds after ``fastlstm clean``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from fastlstm.config.reading import check_settings
from flows.cli.main import main
from tasks.settings import PipelineConfig
from tasks.work_folder import clean
from tests.tasks.test_work_folder import age


@pytest.mark.soak
@pytest.mark.usefixtures("prefect_server")
def test_reused_steps_stay_and_deleted_ones_are_made_anew(settings, executions, tmp_path):
    from flows.retrain import retrain

    def run(**hyperparameters):
        executions.clear()
        config = check_settings(
            settings(hyperparameters={"epochs": 1, **hyperparameters}), PipelineConfig
        )
        assert retrain(config, return_state=True).is_completed()
        return Path(config.work)

    work = run()
    age(work, 40)
    run(learning_rate=0.02)
    assert executions == {"train": 1, "evaluate": 1, "save": 1}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings()))
    told = CliRunner().invoke(main, ["clean", str(tmp_path / "c.yaml"), "--days", "30"])
    assert told.exit_code == 0, told.output
    deleted = [line.split()[1].rstrip(",") for line in told.output.splitlines()[:-1]]
    assert sorted(Path(path).parent.name for path in deleted) == ["evaluate", "train"]
    assert told.output.splitlines()[-1].startswith("2 intermediate results, 0.")

    # Without any of them a run makes them anew, though Prefect knows their results.
    age(work, 40)
    assert {item.path.parent.name for item in clean(work, 30)} >= {"load", "validate", "scale"}
    run(learning_rate=0.03)
    assert executions == dict.fromkeys(
        ("load", "validate", "scale", "windows", "train", "evaluate", "save"), 1
    )
