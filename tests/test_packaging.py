"""A bare installation in a new environment: the networks come along, torch and numpy do not."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_bare_installation_analyses_a_bundled_network(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
    subprocess.run(pip, check=True, env=clean)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = subprocess.run(
        [str(environment / "bin" / "convcost"), "analyze", "mobilenet_v1"],
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env=clean,
        check=True,
    )
    assert "4,231,976" in result.stdout
    assert "568,740,352" in result.stdout
    installed = {path.name.lower() for path in (environment / "lib").rglob("site-packages/*")}
    assert "convcost" in installed
    assert not installed & {"torch", "numpy", "pydantic"}
    assert (next((environment / "lib").rglob("site-packages/convcost")) / "specs" / "mobilenet_v1.yaml").is_file()
