"""Choose who forecasts: a run's network or, where no run was promoted, the best baseline."""

from __future__ import annotations

from fastlstm.errors import StoreError
from fastlstm.registry.store import GroupRuns, Store
from tasks.references import ChosenForecaster
from tasks.run_references import run_reference, stored_run

# What a message says where a model has runs but no champion.
UNTIL_PROMOTED = "'predict' forecasts with the best baseline until a run is promoted"


def choose_forecaster(
    store: Store, model_name: str, run_id: str | None, *, serve_baseline: bool,
    known: GroupRuns | None = None,
) -> ChosenForecaster:  # fmt: skip
    """The network of a named run, else of the champion, else the best baseline of the newest run.

    Args:
        store: where runs are kept.
        model_name: the model.
        run_id: a run to forecast with whatever the champion is.
        serve_baseline: whether a baseline may forecast where no run was promoted.
        known: what the store holds of the model, where the caller knows it.

    Raises:
        StoreError: there is no such run, no run at all, or no champion and no baseline may serve.
    """
    if run_id is not None:
        return ChosenForecaster(run=stored_run(store, model_name, run_id), id=run_id)
    champion = (store.champion(model_name) if known is None else known.record).champion
    while champion is not None:
        try:
            return ChosenForecaster(run=stored_run(store, model_name, champion), id=champion)
        except StoreError:
            # One that was replaced since may be pruned by this time.
            replaced, champion = champion, store.champion(model_name).champion
            if champion == replaced:
                raise
    newest = known.newest if known is not None else next(iter(store.runs(model_name)[-1:]), None)
    if newest is None:
        raise StoreError(
            f"{store}: model {model_name!r} has no run yet; run 'fastlstm retrain' first"
        )
    if not serve_baseline:
        raise StoreError(
            f"{store}: model {model_name!r} has no champion; promote a run with 'fastlstm promote', "
            "name one with 'run', or let the best baseline forecast with 'serve_baseline: true'"
        )
    # pandas takes a second to import, which a retraining with nothing to do need not wait for.
    from fastlstm.forecasting.forecaster import best_baseline, forecaster_id
    from fastlstm.runs.saved_run import SavedRun

    best = best_baseline(SavedRun(store.run_folder(model_name, newest.run_id)).metrics)
    return ChosenForecaster(
        run=run_reference(store, model_name, newest),
        id=forecaster_id(newest.run_id, best.key),
        baseline=best.key,
        score=best.text,
    )
