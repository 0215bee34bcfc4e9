"""Validate a table that is cut into shards: facts of all, then the checks of each, then one report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastlstm.artifacts.file_names import CLEAN_FILE, TABLE_FILE
from fastlstm.artifacts.folders import publish
from fastlstm.config.data import DataConfig
from fastlstm.data.column_names import SERIES
from fastlstm.data.findings import Finding, ValidationReport
from fastlstm.data.memory import give_back
from fastlstm.data.shards import shards_of
from fastlstm.data.table_facts import TableFacts
from fastlstm.data.tables import read_table, write_table
from fastlstm.data.validation import KnownRows, LoadingFacts, absent_series, validate_rows
from fastlstm.steps.shard_map import ShardMap

_FACTS = "fastlstm.steps.validate_shards:facts_of_shard"
_VALIDATE = "fastlstm.steps.validate_shards:validate_shard"


def validate_shards(
    table: Path, data: DataConfig, *, labels: bool, loading: LoadingFacts, shards: ShardMap
) -> tuple[ValidationReport, list[dict[str, int]]]:
    """Validate every shard; the clean ones lie in the pass ``clean`` of ``shards``.

    Args:
        table: the loader's folder.
        data: types, ranges, policies, frequency.
        labels: whether plain targets are labels.
        loading: what the loader changed.
        shards: works on each shard.

    Returns:
        The report of the table, with the failures of all shards, and the number of rows and series left
        in each shard.
    """
    given = {path.name: path for path in shards_of(table)}
    common = {"data": data.model_dump(), "labels": labels}
    facts = TableFacts.merged(
        [TableFacts.from_dict(found["facts"]) for found in shards(_FACTS, "facts", given, **common)]
    )
    first = next(iter(given))
    found = shards(
        _VALIDATE, "clean", given, **common, facts=facts.to_dict(), first_shard=first
    )  # fmt: skip
    report = ValidationReport.merged([_report(manifest["report"]) for manifest in found])
    report.warnings[:0] = loading.warnings(data)
    present = {label for manifest in found for label in manifest["embedded_series"]}
    report.warnings.extend(absent_series(present, data))
    left = [{"rows": m["report"]["rows_out"], "series": m["series"]} for m in found]
    return report, left


def facts_of_shard(shard: str, folder: str, data: dict[str, Any], labels: bool) -> dict[str, Any]:
    """Facts of the rows of one shard, see ``fastlstm.data.table_facts``.

    Args:
        shard: folder of the loaded shard.
        folder: folder to publish.
        data: types, ranges, policies, frequency.
        labels: unused; all passes over the shards take the same arguments.
    """
    known = _known(shard, data)
    return publish(Path(folder), lambda _: {"facts": known.facts.to_dict()})


def validate_shard(
    shard: str, folder: str, data: dict[str, Any], labels: bool, facts: dict[str, Any],
    first_shard: str,
) -> dict[str, Any]:  # fmt: skip
    """Check one shard and write its clean rows.

    Args:
        shard: folder of the loaded shard.
        folder: folder to publish.
        data: types, ranges, policies, frequency.
        labels: whether plain targets are labels.
        facts: of the whole table.
        first_shard: name of the first shard.
    """

    def build(target: Path) -> dict[str, Any]:
        known = _known(shard, data)
        clean, report = validate_rows(
            known,
            TableFacts.from_dict(facts),
            labels=labels,
            is_first=Path(shard).name == first_shard,
        )
        embedded = set(known.data.embedded_labels) & set(known.frame[SERIES].unique())
        if report.passed:
            write_table(clean, target / CLEAN_FILE)
        return {
            "report": asdict(report),
            "series": int(clean[SERIES].nunique()),
            "embedded_series": sorted(embedded),
        }

    found = publish(Path(folder), build)
    give_back()
    return found


def _known(shard: str, data: dict[str, Any]) -> KnownRows:
    """The rows of a loaded shard."""
    return KnownRows.of(read_table(Path(shard) / TABLE_FILE), DataConfig.model_validate(data))


def _report(stored: dict[str, Any]) -> ValidationReport:
    """A report from its JSON-like values."""
    findings = {
        kind: [Finding(**{**given, "numbers": tuple(given["numbers"])}) for given in stored[kind]]
        for kind in ("errors", "warnings")
    }
    return ValidationReport(**{**stored, **findings})
