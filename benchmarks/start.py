"""What it takes to start: processor time of commands and imports, each in a new process.

python benchmarks/start.py
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

ROUNDS = 3
CASES = {
    "python": ["-c", ""],
    "import latentrank": ["-c", "import latentrank"],
    "latentrank --help": ["-m", "latentrank", "--help"],
    "latentrank methods": ["-m", "latentrank", "methods"],
    "latentrank datasets": ["-m", "latentrank", "datasets"],
    "import torch": ["-c", "import torch"],
    "import latentrank.estimator": ["-c", "import latentrank.estimator"],
    "import lightning.pytorch": ["-c", "import lightning.pytorch"],
}


def processor_time(arguments: list[str]) -> float:
    """Seconds of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    for name, arguments in CASES.items():
        low, median, high = statistics.quantiles(
            [processor_time(arguments) for _ in range(ROUNDS)], n=4
        )
        print(f"{name:28} {median:5.2f} s   quartiles {low:.2f} to {high:.2f}", flush=True)


if __name__ == "__main__":
    main()
