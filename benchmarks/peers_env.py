"""An environment of its own for ForecastFlowML, which needs libraries older than ours: made once, from these pins."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

# The newest release and the libraries that it runs with; --no-deps, since its own pins name no wheel for this Python.
PEER = "forecastflowml==0.0.2"
PINS = (
    "pyspark==3.5.8", "pandas==1.5.3", "numpy==1.26.4", "pyarrow==16.1.0", "lightgbm==3.3.5", "scikit-learn==1.5.2",
    "setuptools==80.9.0",
)  # fmt: skip


def forecastflowml_python(folder: Path) -> str:
    """The interpreter of the environment in `folder`; makes it where it is not there yet.

    Raises:
        RuntimeError: it cannot be made; says what pip said.
    """
    python = folder / "bin" / "python"
    ready = folder / "pins.txt"
    wanted = "\n".join((PEER, *PINS))
    if ready.is_file() and ready.read_text() == wanted:
        return str(python)
    venv.create(folder, with_pip=True, clear=True)
    for arguments in ([*PINS], ["--no-deps", PEER]):
        made = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *arguments], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise RuntimeError(
                f"ForecastFlowML needs its own environment in {folder}, and pip could not install {arguments}. "
                f"Use {Path(sys.executable).name} 3.11, or leave it out with --only. pip said:\n{made.stderr[-2000:]}"
            )
    ready.write_text(wanted)
    return str(python)
