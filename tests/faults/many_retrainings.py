"""Several whole retrainings of one model at once; run as a program by the tests.

``python -m tests.faults.many_retrainings FOLDER STORE COUNT`` has so many processes, each with a seed of
its own, retrain on one table, in one work folder, against one store, begun in the same moment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Start all, and wait for all."""
    import numpy as np
    import tensorflow  # noqa: F401 (loaded once, before the forks; not used here)

    import flows.retrain  # noqa: F401
    from fastlstm.config.reading import check_settings
    from tasks.settings import PipelineConfig
    from tests.conftest import build_settings, make_panel
    from tests.faults.flow_kills import NEVER, attempt

    folder, store, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    # Noise about a level: its mean, soon learned, beats the baselines by far.
    frame = make_panel()
    frame["load"] = 50 + np.random.default_rng(0).normal(size=len(frame))
    children, (reading, writing) = [], os.pipe()
    for seed in range(count):
        settings = build_settings(folder, frame, hyperparameters={"epochs": 3, "seed": seed})
        settings["store"] = store
        config = check_settings(settings, PipelineConfig)
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)  # until the parent lets go of the other end
            try:
                os._exit(0 if attempt(folder, config, NEVER) else 3)
            finally:
                os._exit(4)
        children.append(child)
    os.close(writing)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        raise SystemExit(f"exit codes {codes}")


if __name__ == "__main__":
    main()
