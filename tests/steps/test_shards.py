"""A panel that is cut into shards gives what the panel in one piece gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastlstm.artifacts.file_names import (
    CHECKS_FILE,
    CLEAN_FILE,
    INPUTS_FILE,
    SCALED_FILE,
    TABLE_FILE,
)
from fastlstm.artifacts.folders import publish
from fastlstm.artifacts.mapping import run_here
from fastlstm.config.reading import parse_config
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.quantile_summary import VALUES, QuantileSummary
from fastlstm.data.scaling import read_scalers, scaler_files
from fastlstm.data.shards import read_shards, shard_of_series, shards_of
from fastlstm.data.validation import LoadingFacts
from fastlstm.errors import ConfigError, DataError
from fastlstm.steps.cut_windows import cut_windows_into
from fastlstm.steps.prepare import load_into, scale_into, validate_into
from fastlstm.steps.shard_map import ShardMap
from fastlstm.windows.parquet import WindowDataset
from tests.conftest import make_panel

ROWS = 120
SERIES_NAMES = tuple(f"site {number}" for number in range(11))


def panel() -> pd.DataFrame:
    """Rows of all series at each time, with gaps, missing values and a series that ends early."""
    table = make_panel(ROWS, SERIES_NAMES)
    table["open"] = (table["when"].dt.hour > 6).astype(float)
    table = table[(table["site"] != "site 3") | (table["when"] < "2024-01-04")]
    table = table.drop(table.index[[40, 41, 700]]).sort_values("when", kind="stable")
    table.loc[table.index[50], "heat"] = np.nan
    return table


class Steps:
    """The steps up to the windows, each in a folder of its own."""

    def __init__(self, folder: Path, config: RetrainConfig, shard_rows: int, run: Any = run_here):
        self.folder, self.config, self._shard_rows, self._run = folder, config, shard_rows, run

    def _map(self, step: str) -> ShardMap:
        return ShardMap(self.folder / f"{step} unfinished", self._run)

    def load(self) -> dict[str, Any]:
        hp = self.config.hyperparameters
        rows = hp.timesteps + hp.steps_ahead
        return publish(
            self.folder / "load",
            lambda f: load_into(f, self.config.data, rows, self._shard_rows, self._map("load")),
        )

    def validate(self) -> dict[str, Any]:
        loaded = self.load()
        return publish(
            self.folder / "clean",
            lambda f: validate_into(
                f, self.folder / "load", self.config.data, labels=False,
                loading=LoadingFacts.of_manifest(loaded),
                refused_report=self.folder / "refused.json", shards=self._map("validate"),
            ),
        )  # fmt: skip

    def scale(self) -> dict[str, Any]:
        self.validate()
        return publish(
            self.folder / "scaled",
            lambda f: scale_into(f, self.folder / "clean", self.config, self._map("scale")),
        )

    def windows(self) -> WindowDataset:
        self.scale()
        hp = self.config.hyperparameters
        publish(
            self.folder / "windows",
            lambda f: cut_windows_into(
                f, self.folder / "scaled", hp.timesteps, hp.steps_ahead, 0, self._map("windows")
            ),
        )
        return WindowDataset(self.folder / "windows")

    def rows(self, step: str, file: str) -> pd.DataFrame:
        """The rows of a step, sorted, without the numbers of their blocks."""
        found = read_shards(self.folder / step, file)
        found = found.sort_values([SERIES, TIME], ignore_index=True)
        return found.drop(columns=SEGMENT, errors="ignore")


@pytest.fixture
def both(settings, tmp_path):
    """Makes the steps of a table in one piece and in shards."""

    def make(table: pd.DataFrame, changes: dict[str, Any] | None = None, ending="parquet"):
        source = tmp_path / f"source.{ending}"
        getattr(table, f"to_{ending}")(source, index=False)
        config = parse_config(settings(**(changes or {})))
        data = config.data.model_copy(update={"path": str(source)})
        config = RetrainConfig.model_validate(config.model_copy(update={"data": data}).model_dump())
        return tuple(
            Steps(tmp_path / name, config, rows)
            for name, rows in (("whole", 10**9), ("shards", 250))
        )

    return make


def changed(**sections: Any) -> dict[str, Any]:
    base = {
        "data": {
            "features": ["load", "heat", "open"], "short_series": "skip",
            "columns": {"heat": {"missing": "forward_fill", "forward_fill_limit": 2}},
        },
        "hyperparameters": {},
    }  # fmt: skip
    return {name: {**base.get(name, {}), **sections.get(name, {})} for name in base | sections}


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_rows_and_reports_are_the_same(both, ending):
    table = panel()
    short = table[table["site"] == "site 5"].head(4)
    table = pd.concat([table[table["site"] != "site 5"], short])
    whole, shards = both(table, changed(), ending)
    whole.validate()
    shards.validate()
    assert len(shards_of(shards.folder / "load")) > 2
    facts = [steps.load() for steps in (whole, shards)]
    for name in ("rows", "series", "first", "last", "rows_out_of_order", "skipped_series"):
        assert facts[0][name] == facts[1][name], name
    for step, file in (("load", TABLE_FILE), ("clean", CLEAN_FILE)):
        pd.testing.assert_frame_equal(whole.rows(step, file), shards.rows(step, file))
    reports = [
        json.loads((steps.folder / "clean" / CHECKS_FILE).read_text()) for steps in (whole, shards)
    ]
    for report in reports:
        for finding in report["warnings"]:
            # Which ten are named depends on the order of the series.
            finding["cases"] = len(finding["cases"])
    assert reports[0] == reports[1]
    assert any(finding["check"] == "gaps in time" for finding in reports[0]["warnings"])


@pytest.mark.parametrize(
    ("scaler", "scope"),
    [("StandardScaler", "series"), ("MinMaxScaler", "table"), ("RobustScaler", "table")],
)
def test_scalers_seasons_and_bins_are_the_same(both, scaler, scope):
    hyperparameters = {"scaler_type": scaler, "scaler_scope": scope}
    whole, shards = both(panel(), changed(hyperparameters=hyperparameters))
    made = [steps.scale() for steps in (whole, shards)]
    assert made[0]["cuts"] == made[1]["cuts"]
    assert made[0]["season"] == made[1]["season"] == 24
    for one, other in zip(made[0]["season_evidence"], made[1]["season_evidence"], strict=True):
        assert one == pytest.approx(other)
    scaled = [steps.rows("scaled", SCALED_FILE) for steps in (whole, shards)]
    pd.testing.assert_frame_equal(*scaled, rtol=1e-5, atol=1e-6)
    scalers = [read_scalers(*scaler_files(s.folder / "scaled")) for s in (whole, shards)]
    if scope == "series":
        assert scalers[0].series.columns == scalers[1].series.columns
        assert "open" not in scalers[0].series.columns
        np.testing.assert_array_equal(scalers[0].series.center, scalers[1].series.center)
        np.testing.assert_array_equal(scalers[0].series.scale, scalers[1].series.scale)
    bins = [json.loads((s.folder / "scaled" / INPUTS_FILE).read_text()) for s in (whole, shards)]
    for name, of_whole in bins[0].items():
        for key, value in of_whole.items():
            assert bins[1][name][key] == pytest.approx(value), (name, key)


def test_windows_are_the_same(both):
    whole, shards = both(panel(), changed())
    datasets = [steps.windows() for steps in (whole, shards)]
    assert datasets[0].manifest["windows"] == datasets[1].manifest["windows"]
    for split in ("train", "validation", "test"):
        found = []
        for dataset in datasets:
            windows = dataset.read(split)
            order = np.lexsort((windows.origin, windows.series.astype(str)))
            # The rows that windows share are found again across the shards.
            x, y = dataset.folded(split)
            everything = np.arange(len(windows.x))
            np.testing.assert_array_equal(x[everything], windows.x)
            np.testing.assert_array_equal(y[everything], windows.y)
            found.append((windows.x[order], windows.y[order], windows.origin[order]))
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=1e-5, atol=1e-6)


def test_failures_of_all_shards_stand_in_one_report(both):
    table = panel()
    for site in ("site 1", "site 2", "site 7", "site 8"):
        table.loc[table.index[table["site"] == site][3:5], "load"] = np.inf
    steps = both(table, changed())
    messages = []
    for each in steps:
        with pytest.raises(DataError, match="data refused") as caught:
            each.validate()
        refused = each.folder / "refused.json"
        messages.append(str(caught.value).replace(str(refused), ""))
        (finding,) = json.loads(refused.read_text())["errors"]
        assert finding["rows"] == 8
        assert {case["series"] for case in finding["cases"]} == {f"site {n}" for n in (1, 2, 7, 8)}
    assert messages[0] == messages[1]


def test_the_same_source_gives_the_same_bytes(both, tmp_path):
    _, shards = both(panel(), changed())
    again = Steps(tmp_path / "again", shards.config, 250)
    made = [steps.windows().manifest["files"] for steps in (shards, again)]
    assert made[0] == made[1]
    assert shards.scale()["content_sha256"] == again.scale()["content_sha256"]


def test_after_a_kill_finished_shards_are_used_again(both):
    _, shards = both(panel(), changed())
    calls = []

    def dying(function: str, arguments: list[dict[str, Any]]) -> list[Any]:
        run_here(function, arguments[:2])
        raise KeyboardInterrupt

    def counting(function: str, arguments: list[dict[str, Any]]) -> list[Any]:
        calls.extend(not Path(given["folder"]).exists() for given in arguments)
        return run_here(function, arguments)

    with pytest.raises(KeyboardInterrupt):
        Steps(shards.folder, shards.config, 250, dying).load()
    assert not (shards.folder / "load").exists()
    loaded = Steps(shards.folder, shards.config, 250, counting).load()
    assert calls.count(False) == 2
    assert calls.count(True) == loaded["shards"] - 2
    assert not list(shards.folder.glob("* unfinished"))


def test_a_short_series_is_refused_as_in_one_piece(both):
    table = panel()
    table = pd.concat([table[table["site"] != "site 5"], table[table["site"] == "site 5"].head(4)])
    messages = []
    for steps in both(table, changed(data={"short_series": "error"})):
        with pytest.raises(ConfigError, match="'site 5' has 4 rows") as caught:
            steps.load()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_a_wrong_cell_deep_in_a_file_is_named_by_its_row(both):
    table = panel().astype({"load": object})
    table.iloc[900, table.columns.get_loc("load")] = "full"
    messages = []
    for steps in both(table, changed(), "csv"):
        with pytest.raises(DataError, match=r"row 902: 'full' is no float") as caught:
            steps.load()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_a_new_series_changes_no_other_shard():
    labels = np.array([f"s{number}" for number in range(1000)], object)
    before, after = shard_of_series(labels[:-1], 7), shard_of_series(labels, 7)
    assert (before == after[:-1]).all()
    assert np.bincount(after).min() > 100


def test_quantiles_of_shards():
    rng = np.random.default_rng(0)
    shares = np.linspace(0, 1, 101)
    few = [rng.normal(size=n) for n in (5, 100, 4096)]
    merged = QuantileSummary.merged([QuantileSummary.of(part) for part in few])
    np.testing.assert_allclose(merged.quantiles(shares), np.quantile(np.concatenate(few), shares))
    many = [rng.exponential(size=n) + shift for n, shift in ((30_000, 0), (50_000, 1), (7, 9))]
    merged = QuantileSummary.merged([QuantileSummary.of(part) for part in many])
    everything = np.sort(np.concatenate(many))
    for share, value in zip(shares, merged.quantiles(shares), strict=True):
        rank = np.searchsorted(everything, value) / len(everything)
        assert abs(rank - share) <= 1 / VALUES + 1 / len(everything)
