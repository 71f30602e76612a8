"""Benchmarks: whole processes, measured in turn with what they are compared to, and printed as ratios.

    make bench
    python benchmarks/run.py --convcost .venv-demo/bin [--runs 15]

Machines are noisy, so no time is quoted alone: the two commands of a comparison run one after the other (A B A B ...),
and the median of the ratios of neighbours is what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASELINE = "import typer, rich.table, yaml"


def seconds(command: list[str], at_terminal: bool = False) -> float:
    """The wall time of a process, its output read and dropped."""
    if at_terminal:
        return _seconds_at_terminal(command)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    return time.perf_counter() - start


def _seconds_at_terminal(command: list[str]) -> float:
    leader, follower = pty.openpty()
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=follower, cwd=ROOT, env={**os.environ, "COLUMNS": "160"})
    os.close(follower)
    try:
        while os.read(leader, 65536):
            pass
    except OSError:  # the process has closed its end
        pass
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command)
    elapsed = time.perf_counter() - start
    os.close(leader)
    return elapsed


def compare(title: str, bar: float, first: list[str], second: list[str], runs: int, at_terminal: bool = False) -> bool:
    """Print the ratio of two commands, measured in turn, against its bar."""
    pairs = []
    for number in range(runs + 1):
        pair = seconds(first, at_terminal), seconds(second)
        if number:  # the first pair warms the caches
            pairs.append(pair)
    ratio = statistics.median(a / b for a, b in pairs)
    times = " against ".join(f"{1000 * statistics.median(column):.0f} ms" for column in zip(*pairs, strict=True))
    print(f"{'ok  ' if ratio <= bar else 'FAIL'} {title}: {ratio:.2f} (at most {bar}); medians {times}, {runs} pairs")
    return ratio <= bar


def deep_spec(folder: Path, layers: int) -> Path:
    """A spec of so many layers."""
    path = folder / f"deep_{layers}.yaml"
    layer = f"  - conv: {{out_channels: 8, kernel_size: 1}}\n    repeat: {layers}\n"
    path.write_text(f"input: [8, 16, 16]\nlayers:\n{layer}")
    return path


def scaling(convcost: str, folder: Path, runs: int) -> bool:
    """100,000 layers against 10,000, both with a complete JSON answer."""
    commands = {}
    for layers in (10_000, 100_000):
        commands[layers] = [convcost, "analyze", str(deep_spec(folder, layers)), "--format", "json"]
        answer = json.loads(subprocess.run(commands[layers], check=True, capture_output=True, text=True).stdout)
        assert len(answer["layers"]) == layers, "the answer is not complete"
        assert answer["totals"]["params"] == 72 * layers, "8 x 8 weights and 8 biases a layer"
    return compare("100,000 layers / 10,000 layers", 11, commands[100_000], commands[10_000], runs)


IN_PROCESS = """
import sys, time
start = time.perf_counter()
import sympy
imported = time.perf_counter()
import convcost
formula = convcost.formula("mobilenet_v1")
made = time.perf_counter()
assert formula.at(resolution=224)["macs"] == 568740352
print((made - imported) / (imported - start), made - imported, imported - start)
"""


def closed_form(python: str, runs: int) -> bool:
    """The closed form of MobileNet v1 in a new process, against the import of sympy that it needs."""
    bar, found = 6, []
    for number in range(runs + 1):
        answer = subprocess.run([python, "-c", IN_PROCESS], check=True, capture_output=True, text=True, cwd=ROOT)
        if number:  # the first run warms the caches
            found.append([float(word) for word in answer.stdout.split()])
    ratio, made, imported = (statistics.median(column) for column in zip(*found, strict=True))
    times = f"medians {1000 * made:.0f} ms against {1000 * imported:.0f} ms, {runs} runs"
    good = ratio <= bar
    print(f"{'ok  ' if good else 'FAIL'} formula of mobilenet_v1 / import sympy: {ratio:.2f} (at most {bar}); {times}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--convcost", type=Path, default=Path(sys.executable).parent, help="folder with convcost")
    parser.add_argument("--runs", type=int, default=15, help="pairs measured")
    options = parser.parse_args()
    convcost, python = str(options.convcost / "convcost"), str(options.convcost / "python")
    analyze = [convcost, "analyze", "specs/mobilenet_v1.yaml"]
    baseline = [python, "-c", BASELINE]
    good = compare(f"analyze mobilenet_v1 through a pipe / {BASELINE}", 1.35, analyze, baseline, options.runs)
    good &= compare(f"analyze mobilenet_v1 at a terminal / {BASELINE}", 1.35, analyze, baseline, options.runs, True)
    good &= closed_form(python, options.runs)
    with tempfile.TemporaryDirectory() as folder:
        good &= scaling(convcost, Path(folder), max(3, options.runs // 3))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
