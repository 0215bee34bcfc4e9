"""The step that compares every stored run with its manifest."""

from __future__ import annotations

from fastlstm.registry.maintenance import examine, remove_left_overs
from tasks.notify import notify
from tasks.settings import UpkeepConfig, store_of
from tasks.steps import pipeline_step


@pipeline_step("verify store")
def verify_store(config: UpkeepConfig) -> tuple[int, list[str]]:
    """Number of whole runs in the store, and a sentence for each damaged or incomplete one.

    What killed processes left half-written or half-deleted is deleted first: it is no damage.
    """
    store = store_of(config)
    for model in store.models():
        for name in remove_left_overs(store, model):
            notify("verify store", f"{model}: {name}: was left by a killed process; deleted")
    found = examine(store)
    problems = [f"{item.model_name}: {item.name}: {item.problem}" for item in found.findings]
    for problem in problems:
        notify("verify store", problem)
    notify("verify store", f"{found.whole:,} whole runs, {len(problems)} problems")
    return found.whole, problems
