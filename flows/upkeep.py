"""The flow ``upkeep``: verify the store, prune old runs, clean the work folder."""

from __future__ import annotations

import shlex
from typing import Any

from prefect import flow

from fastlstm.errors import StoreError
from flows.outcomes import DAY, final_state, flow_settings
from tasks.clean_work import clean_work
from tasks.prune_runs import prune_runs
from tasks.references import UpkeepOutcome
from tasks.settings import UpkeepConfig
from tasks.verify_store import verify_store


@flow(**flow_settings("upkeep", DAY))
def upkeep(config: UpkeepConfig) -> Any:
    """Check every stored run, and delete old runs and unused intermediate files by the retention.

    Where the store is damaged no run is deleted: an old one may be needed in place of a damaged one.

    Args:
        config: All settings.

    Returns:
        A completed state with what was deleted; its result is an ``UpkeepOutcome``. A failed state
        where a stored run is damaged or incomplete.
    """
    return final_state(config, _steps, only_one_of=("upkeep", config.model_name))


def _steps(config: UpkeepConfig) -> UpkeepOutcome:
    whole, problems = verify_store(config) if config.verify_store else (0, [])
    pruned = [] if problems else prune_runs(config)
    deleted, freed = clean_work(config)
    if problems:
        raise StoreError(
            f"Damaged: {len(problems)} problems in {config.store}, first: {problems[0]}; no run was "
            f"deleted; run 'fastlstm verify {shlex.quote(config.store)} --repair'"
        )
    verified = f"{whole:,} runs verified, " if config.verify_store else ""
    message = (
        f"{verified}{len(pruned):,} runs pruned, {len(deleted):,} intermediate results deleted "
        f"({freed / 1e6:,.1f} MB)"
    )
    return UpkeepOutcome(
        whole=whole, problems=problems, pruned=pruned, deleted=deleted, freed=freed, message=message
    )
