"""``python -m benchmarks.gpu``: training on a GPU compared with PyTorch's cuDNN LSTM.

Writes ``benchmarks/GPU.md``, which ``make bench`` puts into ``benchmarks/RESULTS.md``. Needs TensorFlow
and PyTorch that both see the GPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.contest import compete
from benchmarks.networks import SIZES, trainers

# Whole batches of each; enough of them for a round of a second or more.
_SIZES = {
    "small": {**SIZES["small"], "windows": 32_768},
    "medium": {**SIZES["medium"], "windows": 8_192},
    "wide": {**SIZES["wide"], "windows": 8_192},
    "512 wide": {"steps": 336, "features": 32, "units": 512, "batch": 1_024, "windows": 8_192},
}


def _device() -> str:
    """Name and driver of the first GPU.

    Raises:
        SystemExit: there is none.
    """
    try:
        queried = subprocess.run(  # its folder differs by system
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],  # noqa: S607
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"nvidia-smi finds no GPU here ({error}); run this on a machine with one"
        ) from None
    name, driver = queried.stdout.splitlines()[0].split(", ")
    return f"{name} (driver {driver})"


def table(rounds: int) -> list[str]:
    """Markdown lines: a row for each size, in windows per second."""
    lines = [
        "| training | work | fastLSTM | plain Keras | PyTorch | fastLSTM / PyTorch |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, size in _SIZES.items():
        found = compete(trainers(size), rounds)
        rates = " | ".join(f"{one.rate:,.0f} ±{one.spread:.0%}" for one in found.values())
        lines.append(
            f"| {name} | 2 x {size['units']}, {size['steps']} x {size['features']}, batch "
            f"{size['batch']:,} | {rates} | {found['fastLSTM'].rate / found['PyTorch'].rate:.2f}x |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("GPU.md"))
    given = parser.parse_args()
    # Contestants share the GPU, one at work at a time; TensorFlow would take all of its memory.
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    versions = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "torch"))
    text = (
        f"Written by `python -m benchmarks.gpu` on {datetime.now(UTC):%Y-%m-%d}: {_device()}, "
        f"{os.cpu_count()} cores; Python {platform.python_version()}, {versions}. Windows per second, "
        f"median of {given.rounds} rounds in alternation ± half the range. float32, with the products "
        "of both libraries by TF32 as is their default; batches come from the host's memory."
    )
    given.output.write_text("\n".join([text, "", *table(given.rounds)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
