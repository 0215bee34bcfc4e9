"""The step that opens a search for hyperparameters."""

from __future__ import annotations

from pathlib import Path

from fastlstm.experiments.tuning import Search, study_key
from fastlstm.steps.trial_score import trial_metric
from tasks.notify import notify
from tasks.references import StepOutput, StudyReference
from tasks.settings import PipelineConfig
from tasks.steps import pipeline_step
from tasks.work_place import local_work


def open_search(config: PipelineConfig, study: StudyReference) -> Search:
    """The search that a reference names."""
    return Search(config, study.key, Path(study.path), primary=study.primary)


@pipeline_step("begin search")
def begin_search(config: PipelineConfig, clean: StepOutput) -> StudyReference:
    """Open the search, or continue one that was interrupted."""
    key = study_key(config, clean.content_sha256)
    folder = local_work(config.work) / "tune" / key[:32]
    primary = trial_metric(Path(clean.path), config)
    search = Search(config, key, folder, resume=True, primary=primary)
    earlier = f"; {search.ended} of them ended before" if search.ended else ""
    notify(
        "begin search", f"{config.tune.trials} trials over {', '.join(config.tune.ranges)}{earlier}"
    )
    return StudyReference(path=str(folder), key=key, left=search.left, primary=primary)
