"""The plan of a training tells what the steps would make, and refuses what they would refuse."""

from __future__ import annotations

import pandas as pd
import pytest

from fastlstm.artifacts.folders import publish
from fastlstm.config.reading import parse_config
from fastlstm.data.seasons import seasons_by_error
from fastlstm.data.shards import is_cut
from fastlstm.errors import DataError
from fastlstm.network.architecture import resolve
from fastlstm.steps.cut_windows import cut_windows_into
from fastlstm.steps.plan_training import plan_training
from fastlstm.steps.prepare import scale_into
from fastlstm.steps.shard_map import ShardMap
from tests.conftest import make_panel


def panel(length: int = 240) -> pd.DataFrame:
    """Two series, the second with a gap."""
    rows = make_panel(rows=length)
    second = rows["site"] == rows["site"].iloc[-1]
    return rows[~(second & (rows.groupby("site").cumcount().between(40, 60)))]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hyperparameters": {"split": "by_series"}},
        {"execution": {"shard_rows": 1000}},
        {"hyperparameters": {"scaler_scope": "table"}},
    ],
    ids=str,
)
def test_it_tells_what_the_steps_make(settings, tmp_path, changes):
    config = parse_config(settings(panel(600 if "execution" in changes else 240), **changes))
    plan = plan_training(config, tmp_path / "plan")
    shards = ShardMap(tmp_path / "shards")
    made, clean = plan.config, tmp_path / "plan" / "clean"
    scaled = publish(tmp_path / "scaled", lambda f: scale_into(f, clean, made, shards))
    hp = made.hyperparameters
    windows = publish(
        tmp_path / "windows",
        lambda f: cut_windows_into(
            f, tmp_path / "scaled", hp.timesteps, hp.steps_ahead, made.data.lookahead, shards
        ),
    )
    assert is_cut(clean) == ("execution" in changes)
    assert plan.windows == windows["windows"] and plan.cuts == scaled["cuts"]
    assert plan.seasons.facts() == {key: scaled[key] for key in plan.seasons.facts()}
    assert plan.coverage["series_without"] == windows["series_without"]
    assert plan.coverage["lost_in_scale"] == scaled["lost_in_scale"]
    of_series = [sum(counts.values()) for counts in plan.by_series.values()]
    assert sum(of_series) == sum(windows["windows"].values())
    expected = resolve(
        hp, made.data.features, made.data.targets, windows["windows"]["train"],
        seasons_by_error(windows),
    )  # fmt: skip
    assert plan.architecture == expected
    assert plan.gradient_steps >= 1


def test_refusals_are_those_of_the_steps(settings, rain_sections, tmp_path):
    limited = settings(panel())
    limited["data"]["columns"] = {"load": {"maximum": 0.0}}
    with pytest.raises(DataError, match=r"1 of .* checks failed, first: .*load"):
        plan_training(parse_config(limited), tmp_path / "limited")
    with pytest.raises(DataError, match="split holds no window"):
        rows = settings(panel(), hyperparameters={"timesteps": 200})
        plan_training(parse_config(rows), tmp_path / "short")
    dry = panel().assign(rain=0.0)
    with pytest.raises(DataError, match="target 'wet': class 1 has no train window"):
        plan_training(parse_config(settings(dry, **rain_sections)), tmp_path / "dry")
