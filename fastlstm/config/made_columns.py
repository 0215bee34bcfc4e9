"""Names of the columns that settings make, each with the setting that makes it."""

from __future__ import annotations

from dataclasses import dataclass

from fastlstm.config.calendar import HOLIDAY_COLUMNS, calendar_columns
from fastlstm.config.categories import label_outputs
from fastlstm.config.data import DataConfig


@dataclass(frozen=True)
class Maker:
    """What makes a column.

    Attributes:
        text: the setting and what of it makes the column, for messages.
        remedy: how the setting is changed, so that it does not.
    """

    text: str
    remedy: str


def made_columns(data: DataConfig, prefix: str = "data.") -> dict[str, Maker]:
    """The columns that settings make, by name: parts of the calendar and holidays that are features,
    later rows' values, indicators of series and categories, derived targets, outputs of classes.

    Args:
        data: the settings.
        prefix: stands before the name of a setting in messages.
    """
    of_time = _of_time(data, prefix)
    found = {name: maker for name, maker in of_time.items() if name in data.features}
    for name, (column, rows) in data.ahead_sources.items():
        source = data.read_ahead(name)
        setting = "known_ahead" if source in data.known_ahead else "known_future"
        found[name] = of_time.get(column) or Maker(
            f"{prefix}{setting} makes of {source!r} {rows} rows later",
            f"remove {source!r} from {prefix}{setting}",
        )
    for name, label in zip(data.series_columns, data.embedded_labels, strict=True):
        found[name] = Maker(
            f"{prefix}embedded_series makes of series {label!r}",
            f"leave {label!r} out of {prefix}embedded_series",
        )
    for name, (column, category) in data.indicator_columns.items():
        found[name] = _of_category(column, category)
    for name in data.derived_targets:
        text = f"{prefix}derived_targets makes"
        found[name] = Maker(text, "give the derived target another name")
    for column, classes in data.label_columns.items():
        outputs = [name for name in label_outputs(column, classes) if name != column]
        for name, label in zip(outputs, classes, strict=bool(outputs)):
            found[name] = _of_category(column, label)
    return found


def _of_time(data: DataConfig, prefix: str) -> dict[str, Maker]:
    """Parts of the calendar and holidays of a row itself."""
    found: dict[str, Maker] = {}
    for kind in data.calendar_kinds:
        maker = Maker(
            f"{prefix}calendar makes of {kind!r}", f"remove {kind!r} from {prefix}calendar"
        )
        found |= dict.fromkeys(calendar_columns([kind], None), maker)
    if data.holidays is not None:
        maker = Maker(f"{prefix}holidays makes", f"remove {prefix}holidays")
        found |= dict.fromkeys(HOLIDAY_COLUMNS, maker)
    return found


def _of_category(column: str, category: str) -> Maker:
    return Maker(f"category {category!r} of {column!r} becomes", f"rename {column!r}")
