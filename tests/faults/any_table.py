"""Tables as they occur: names, labels, types, containers, calendars, zones, gaps; and what must hold.

``tables`` generates them. ``check_rows`` reads one in memory and from a file, ``check_trainings`` trains
it under other names, in another order and a week later; ``check`` also stores, opens, forecasts from
memory and from files, and compares the champion with itself.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from fastlstm import fastLSTM
from fastlstm.artifacts.file_names import CLEAN_FILE
from fastlstm.config.categories import MISSING, indicators
from fastlstm.config.data import DataConfig
from fastlstm.config.retrain import RetrainConfig
from fastlstm.data.clock_changes import day_instants
from fastlstm.data.closed_days import row_offset
from fastlstm.data.column_names import SEGMENT, SERIES, TIME
from fastlstm.data.reading import load
from fastlstm.data.tables import write_table
from fastlstm.data.time_grid import step_times
from fastlstm.data.validation import validate
from fastlstm.forecasting.forecast import forecast_latest
from fastlstm.runs.saved_run import SavedRun
from fastlstm.steps.compare import compare
from fastlstm.steps.prepare import load_into, with_resolved_columns
from fastlstm.steps.shard_map import ShardMap
from fastlstm.training.fit import fit

NAMES = [
    "y", "km/h", "$a$", "NA", "007", "_hidden", "日本", " ", "a,b", 'a"b', "=1", "a\nb", "Unnamed: 0",
    "step", "target", "prediction", "origin", "truth", "self", "a+2", "%", "x" * 120, "1e5", "None",
    "hour_sin", "{x}", "é", "'", "index", "level_0", "weight",
]  # fmt: skip
LABELS = [
    "NA", "None", "nan", "007", "7", "07", "1e5", "100000", "-1", "'=x", "=x", "TRUE", " x ", "x",
    "日本", "a,b", 'a"b', "a\nb", "%2F", "/", "0", "é", "e\u0301", "de", "DE", "y" * 150,
]  # fmt: skip
# Frequency, zone, first local time, closed days.
CALENDARS: list[tuple[str | None, str, str, Any]] = [
    ("1h", "UTC", "2024-03-30 05:00", None),
    ("1h", "Africa/Cairo", "2024-04-25 12:00", None),
    ("15min", "Asia/Kathmandu", "2024-01-01", None),
    ("1D", "UTC", "2023-12-20", None),
    ("1D", "Africa/Cairo", "2024-04-10", None),
    ("1D", "America/Havana", "2024-10-20", None),
    ("1D", "America/Santiago", "2024-08-25", None),
    ("1D", "Asia/Beirut", "2024-03-15", None),
    ("1D", "Atlantic/Azores", "2024-10-15", None),
    ("1D", "Pacific/Apia", "2011-12-10", None),
    ("W-MON", "America/Asuncion", "2024-01-01", None),
    ("W-SUN", "America/Asuncion", "2024-03-03", None),
    ("MS", "Europe/Lisbon", "2015-01-01", None),
    ("ME", "Africa/Cairo", "2015-01-31", None),
    ("QE", "UTC", "2001-03-31", None),
    ("YS", "UTC", "1950-01-01", None),
    ("B", "Europe/Rome", "2024-03-01", None),
    ("B", "America/New_York", "2024-11-01", {"market": "XNYS"}),
    ("C", "America/New_York", "2024-11-01", ["2024-11-28", "2024-12-25"]),
    ("C", "UTC", "2024-12-02", None),
    (None, "UTC", "2024-01-01", None),
]
TIMESTEPS, STEPS = 2, 2


@dataclass(frozen=True)
class Table:
    """A generated table; its representation leaves the rows out.

    Attributes:
        rows: columns ``label``, ``when`` (UTC), then features and the target.
        features: names of the features; the target is one of them for a regressor. Text is categories.
        target: name of the target; a classifier's holds 0 and 1, text or whole numbers.
        frequency: pandas offset, or None.
        zone: IANA zone.
        closed_days: as the setting takes it.
        is_panel: whether rows are of several labelled series.
        time_column: name of the time column in files.
        series_column: name of the series column in files.
        written: how times stand in files.
        container: how the class gets the rows.
        ending: of the file.
    """

    rows: pd.DataFrame = field(repr=False)
    features: list[str]
    target: str
    frequency: str | None
    zone: str
    closed_days: Any
    is_panel: bool
    time_column: str
    series_column: str
    written: str
    container: str
    ending: str

    @property
    def is_classifier(self) -> bool:
        """Whether the target is a label."""
        return self.target not in self.features

    @property
    def time_format(self) -> str | None:
        """How files declare their times."""
        return {"epoch": "epoch_s", "day first": "%d/%m/%Y %H:%M"}.get(self.written)

    @property
    def text(self) -> list[str]:
        """Features that are categories."""
        numeric = pd.api.types.is_numeric_dtype
        return [name for name in self.features if not numeric(self.rows[name])]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Tables that can be trained on."""
    frequency, zone, first, closed = draw(st.sampled_from(CALENDARS))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=4, max_size=5, unique=True))
    time_column, series_column, *values = names
    is_panel, is_classifier = draw(st.booleans()), draw(st.integers(0, 3)) == 0
    labels = [""]
    if is_panel:
        labels = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=3, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    calendar = (frequency, zone, first, closed)
    parts = [_series(draw, rng, label, calendar, label == labels[0]) for label in labels]
    base = pd.concat(parts, ignore_index=True)
    features = values if not is_classifier else values[:-1]
    columns = {}
    for number, name in enumerate(values):
        columns[name] = base["value"] * (number + 1) + rng.normal(0, 0.1, len(base))
        if number and draw(st.booleans()):
            columns[name] = np.round(columns[name]).astype(
                draw(st.sampled_from(["int64", "float32"]))
            )
        elif number and draw(st.booleans()):
            columns[name] = _categories(draw, rng, len(base))
    target = values[-1] if is_classifier else values[0]
    if is_classifier:
        text = draw(st.lists(st.sampled_from(LABELS), min_size=2, max_size=3, unique=True))
        classes = draw(st.sampled_from([[0, 1], [3, 1, 20], text]))
        columns[target] = np.array(classes)[np.arange(len(base)) % len(classes)]
    rows = pd.concat([base[["label", "when"]], pd.DataFrame(columns)], axis=1)
    whole_days = frequency is None or frequency not in ("1h", "15min")
    written = ["offset", "utc", "epoch", *(["dates", "midnights"] if whole_days else [])]
    return Table(
        rows, list(features), target, frequency, zone, closed, is_panel, time_column, series_column,
        draw(st.sampled_from(written)),
        draw(st.sampled_from(["pandas", "arrow", "structured", "levels"])),
        draw(st.sampled_from(["csv", "parquet"])),
    )  # fmt: skip


def _categories(draw: st.DrawFn, rng: np.random.Generator, count: int) -> np.ndarray:
    """A column of text, in which some rows may be missing."""
    names = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=4, unique=True))
    column = np.array(names, object)[rng.integers(0, len(names), count)]
    if draw(st.booleans()):
        column[rng.integers(0, count, 3)] = None
    return column


def _series(
    draw: st.DrawFn, rng: np.random.Generator, label: str, calendar: tuple[Any, ...], is_long: bool
) -> pd.DataFrame:
    """Rows of one series: perhaps constant, with a gap, or too short unless ``is_long``."""
    frequency, zone, first, closed = calendar
    count = (
        int(rng.integers(40, 56))
        if is_long or rng.integers(4)
        else draw(st.sampled_from([1, 3, 48]))
    )
    data = DataConfig.model_validate({
        "path": "x", "time": "t", "features": ["y"], "targets": ["y"], "frequency": frequency,
        "closed_days": closed, "calendar": [],
    })  # fmt: skip
    offset = row_offset(frequency or "1D", data.closed_days)
    start = day_instants(pd.DatetimeIndex([first]), zone)[0]
    times = step_times(start, count, offset, zone)
    values = rng.normal(10, 2, count).cumsum() if draw(st.integers(0, 4)) else np.full(count, 3.0)
    frame = pd.DataFrame({"label": label, "when": times, "value": values})
    if count > 30 and draw(st.booleans()):
        frame = frame.drop(index=int(rng.integers(5, 20)))
    return frame


def file_of(table: Table, folder: Path, *, turned: bool = False) -> Path:
    """The table as a file; ``turned``: with its columns and rows in another order."""
    rows = table.rows
    local = rows["when"].dt.tz_convert(table.zone)
    times: Any = {
        "offset": [time.isoformat() for time in local],
        "utc": rows["when"].array,
        "epoch": rows["when"].astype("int64").to_numpy() // 10**6,
        "dates": local.dt.strftime("%Y-%m-%d").array,
        "midnights": local.dt.tz_localize(None).dt.normalize().array,
    }[table.written]
    columns = {table.time_column: times}
    if table.is_panel:
        columns[table.series_column] = rows["label"].array
    columns |= {name: rows[name].array for name in rows.columns[2:]}
    frame = pd.DataFrame(columns)
    if turned:
        frame = frame.iloc[::-1, ::-1]
    file = folder / f"{'turned' if turned else 'table'}.{table.ending}"
    frame.to_csv(file, index=False) if table.ending == "csv" else frame.to_parquet(file)
    return file


def data_of(table: Table, file: Path) -> DataConfig:
    """The settings of the file."""
    return DataConfig.model_validate({
        "path": str(file), "time": table.time_column, "time_format": table.time_format,
        "series": table.series_column if table.is_panel else None, "frequency": table.frequency,
        "time_zone": table.zone, "closed_days": table.closed_days, "features": table.features,
        "targets": [table.target], "calendar": [],
        "columns": {name: {"dtype": "category"} for name in table.text},
    })  # fmt: skip


def config_of(table: Table, folder: Path, file: Path) -> RetrainConfig:
    """The settings of a retraining on the file, with the categories of its train rows; loads it."""
    config = RetrainConfig.model_validate(
        {"data": data_of(table, file), "hyperparameters": _hyperparameters(table)}
    )
    folder.mkdir()
    load_into(
        folder, config.data, 1, 1_000_000, ShardMap(folder / "shards"), labels=table.is_classifier
    )
    return with_resolved_columns(config, folder)


def _hyperparameters(table: Table) -> dict[str, Any]:
    return {
        "LSTM_type": "classifier" if table.is_classifier else "regressor", "timesteps": TIMESTEPS,
        "steps_ahead": STEPS, "architecture": "classic", "model_relative_width": [1],
        "train_size_rate": 0.5, "validation_size_rate": 0.2, "batch_size": 512, "model_name": "any",
    }  # fmt: skip


def model_of(table: Table, folder: Path) -> fastLSTM:
    """The class with these rows in a container."""
    rows = table.rows
    x, y = rows[table.features], rows[[table.target]]
    time = rows["when"].rename(table.time_column)
    series = rows["label"].rename(table.series_column) if table.is_panel else None
    given: dict[str, Any] = {"time": time, "series": series}
    if table.container == "arrow":
        x, y = pa.Table.from_pandas(x), pa.Table.from_pandas(y)
    elif table.container == "structured":
        x, y = x.to_records(index=False), y.to_records(index=False)
    elif table.container == "levels" and table.is_panel:
        index = pd.MultiIndex.from_arrays([series, time])
        x, y, given = x.set_axis(index), y.set_axis(index), {}
    elif table.container == "levels":
        x, y, given = x.set_axis(pd.DatetimeIndex(time)), y.set_axis(pd.DatetimeIndex(time)), {}
    return fastLSTM(
        x, y, **given, frequency=table.frequency, time_zone=table.zone, closed_days=table.closed_days,
        calendar=[], data_storage_path=folder, **_hyperparameters(table),
    )  # fmt: skip


def check_rows(table: Table, folder: Path) -> tuple[fastLSTM, pd.DataFrame]:
    """Read a table from a file and in memory; assert what must hold for the rows of any table.

    Returns:
        The class with these rows, not trained, and the clean table.
    """
    model = model_of(table, folder)
    config = config_of(table, folder / "loaded", file_of(table, folder))
    turned = config_of(table, folder / "turned", file_of(table, folder, turned=True))
    clean, again = (_clean(of_file, folder) for of_file in (config, turned))
    pd.testing.assert_frame_equal(clean, again)
    _same_rows(table, model, clean, config.data)
    _same_numbers(model, under_other_names(table, model, folder))
    later = a_week_later(table, model, folder)
    if later is not None:
        assert (later.model._rows.frame[SEGMENT] == model._rows.frame[SEGMENT]).all()
        _same_numbers(model, later)
    return model, clean


def check_trainings(table: Table, folder: Path) -> None:
    """Networks that learn a table under other names, in another order or a week later forecast alike."""
    model = model_of(table, folder)
    renamed, later = under_other_names(table, model, folder), a_week_later(table, model, folder)
    first = _first_weights(model)
    forecasts = _trained(model, first)
    inputs = [renamed.columns[name] for name in model._features]
    order = [inputs.index(name) for name in renamed.model._features]
    found = _trained(renamed.model, [first[0][order], *first[1:]])  # the first are those of inputs
    for label, forecast in forecasts.items():
        # The sums of a gradient are taken in another order.
        np.testing.assert_allclose(found[renamed.labels[label]], forecast, rtol=1e-4, atol=1e-4)
    if later is not None:
        for label, forecast in _trained(later.model, first).items():
            np.testing.assert_array_equal(forecast, forecasts[label])


def check(table: Table, folder: Path) -> None:
    """Take a table through everything; assert what must hold for any table."""
    model, clean = check_rows(table, folder)
    model.network_training(1, verbose=0)
    assert model.run_folder is not None
    (settings,) = model.run_folder.glob("* - HYPERPARAMETERS OF *")
    again = fastLSTM().load_all(settings)
    _same_model(table, model, again, folder)
    write_table(clean, folder / CLEAN_FILE)
    of_itself = compare(str(model.run_folder), str(model.run_folder), str(folder), lambda _: None)
    assert of_itself["comparable"] and of_itself["challenger"] == of_itself["champion"]


@dataclass(frozen=True)
class Counterpart:
    """The rows of another model in other words.

    Attributes:
        model: with these rows, not trained.
        labels: the label here of each series there.
        columns: the name here of each feature and target there.
    """

    model: fastLSTM
    labels: dict[str, str]
    columns: dict[str, str]


def under_other_names(table: Table, model: fastLSTM, folder: Path) -> Counterpart:
    """Renamed series and columns, both in another order."""
    labels = {label: label for label in table.rows["label"].unique()}
    if table.is_panel:
        labels = {label: f"s{number}" for number, label in enumerate(reversed(labels))}
    names = {name: f"c{number}" for number, name in enumerate(table.rows.columns[2:])}
    rows = table.rows.rename(columns=names).assign(label=table.rows["label"].map(labels))
    features = [names[name] for name in reversed(table.features)]
    other = model_of(
        replace(table, rows=rows, features=features, target=names[table.target]), folder
    )
    data, columns = model._inputs.data, dict(names)
    for name, (column, category) in data.indicator_columns.items():
        (columns[name],) = indicators(names[column], [category])
    for name, (column, label) in data.label_outputs.items():
        columns[name] = names[column] if name == column else f"{names[column]}: {label}"
    return Counterpart(other, labels, columns)


def a_week_later(table: Table, model: fastLSTM, folder: Path) -> Counterpart | None:
    """The same a week later; None where the calendar does not repeat each week."""
    if table.frequency not in ("1h", "15min", "1D", "W-MON", "W-SUN", None):
        return None
    if table.zone == "Pacific/Apia":
        return None  # the week that lacks a day
    when = table.rows["when"]
    later: Any = when + pd.Timedelta("7D")
    if table.frequency in ("1D", "W-MON", "W-SUN"):
        local = pd.DatetimeIndex(when.dt.tz_convert(table.zone).dt.tz_localize(None)).normalize()
        later = day_instants(local + pd.Timedelta("7D"), table.zone)
    rows = table.rows.assign(when=pd.Series(later, index=table.rows.index))
    labels, columns = dict.fromkeys(table.rows["label"]), [*model._features, *model._targets]
    return Counterpart(
        model_of(replace(table, rows=rows), folder),
        {label: label for label in labels},
        {name: name for name in columns},
    )


def _clean(config: RetrainConfig, folder: Path) -> pd.DataFrame:
    """The checked rows of loaded ones."""
    frame = load(config.data, labels=not config.hyperparameters.is_regressor).frame
    clean, report = validate(frame, config.data, labels=not config.hyperparameters.is_regressor)
    assert report.passed, [found.line() for found in report.errors]
    return clean


def _same_rows(table: Table, model: fastLSTM, clean: pd.DataFrame, data: DataConfig) -> None:
    """The class and the pipeline read the same series, times, contiguous blocks, names and values."""
    assert set(clean[SERIES]) == set(table.rows["label"])
    rows = model._rows
    assert rows is not None
    pd.testing.assert_frame_equal(rows.frame, clean[[SERIES, TIME, SEGMENT]], check_dtype=False)
    assert (list(rows.table.x), list(rows.table.y)) == (data.features, data.targets)
    assert model._inputs.data.categories == data.categories
    for part, names in ((rows.table.x, data.features), (rows.table.y, data.targets)):
        for name in names:
            np.testing.assert_allclose(part[name], clean[name], rtol=1e-12)
    for name in table.text:
        taught = {*data.categories[name]} - {MISSING}
        assert taught <= {*table.rows[name].dropna()}


def _same_numbers(model: fastLSTM, other: Counterpart) -> None:
    """Each series of another model has the same scaled values in each column."""
    ours, theirs = _scaled(model), _scaled(other.model)
    for label, columns in ours.items():
        found = theirs[other.labels[label]]
        assert len(found) == len(columns)
        for (kind, name), values in columns.items():
            np.testing.assert_array_equal(found[kind, other.columns[name]], values)


def _scaled(model: fastLSTM) -> dict[str, dict[tuple[str, str], np.ndarray]]:
    """Scaled columns of each series."""
    rows = model._rows
    assert rows is not None
    labels = rows.frame[SERIES].to_numpy(str)
    parts = (("x", rows.features, rows.x_scaled), ("y", rows.targets, rows.y_scaled))
    return {
        label: {
            (kind, name): values[labels == label, number]
            for kind, names, values in parts
            for number, name in enumerate(names)
        }
        for label in np.unique(labels)
    }


def _first_weights(model: fastLSTM) -> list[np.ndarray]:
    """Weights of the network before training."""
    with contextlib.redirect_stdout(None):
        model.network_structure_set_compile()
    weights: list[np.ndarray] = model.model.get_weights()
    return weights


def _trained(model: fastLSTM, weights: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Test forecasts of each series by a network that begins with these weights, after an epoch."""
    _first_weights(model)
    model.model.set_weights(weights)
    model._hp = model._hp.model_copy(update={"epochs": 1})
    model.model = fit(model._windows(), model._hp, model=model.model, verbose=0).model
    labels, forecasts = model._windows().read("test").series, model._test_outputs()[1].to_numpy()
    return {label: forecasts[labels == label] for label in np.unique(labels)}


def _same_model(table: Table, model: fastLSTM, again: fastLSTM, folder: Path) -> None:
    """A reopened run has the same names and gives the same forecasts, from memory and from files."""
    assert (again._features, again._targets) == (model._features, model._targets)
    assert model._rows is not None and again._rows is not None and model.run_folder is not None
    pd.testing.assert_frame_equal(again._rows.frame, model._rows.frame, check_dtype=False)
    np.testing.assert_array_equal(again._test_outputs()[1], model._test_outputs()[1])
    run = SavedRun(model.run_folder)
    run.data = run.data.model_copy(update={
        "time": table.time_column, "time_format": table.time_format,
        "series": table.series_column if table.is_panel else None,
    })  # fmt: skip
    forecasts = [
        forecast_latest(run, str(file_of(table, folder, turned=turned))).frame
        for turned in (False, True)
    ]
    pd.testing.assert_frame_equal(*forecasts)
    if table.frequency is not None:
        assert (forecasts[0]["time"] > forecasts[0]["after"]).all()
    classes = {str(label) for label in table.rows[table.target]}
    for label, found in forecasts[0].groupby("series"):
        rows: Any = table.rows.loc[table.rows["label"] == label, table.features].tail(TIMESTEPS)
        if not table.text:
            rows = rows.to_numpy()
        expected = again.model_predict(rows, series=label if table.is_panel else None)
        by_output = found.set_index(["step", "target"])["prediction"]
        order = [(step + 1, name) for step in range(STEPS) for name in model._targets]
        np.testing.assert_allclose(by_output.loc[order], expected[0], rtol=1e-5, atol=1e-6)
        assert not table.is_classifier or {str(one) for one in found.get("label", [])} <= classes
    assert json.loads(json.dumps(model.hyperparameters))["target_names"] == model._targets
