"""Exported networks: readable source that runs without convcost and counts the same."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import convcost
from convcost.graph import Builder, Graph
from strategies import graphs

torch = pytest.importorskip("torch")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from convcost.pytorch.source import to_source  # noqa: E402

ROOT = Path(__file__).parents[2]


def made_from(source: str) -> torch.nn.Module:
    """The network that a source defines."""
    names: dict[str, object] = {"__name__": "exported"}
    exec(compile(source, "exported.py", "exec"), names)
    networks = [value for value in names.values() if isinstance(value, type) and issubclass(value, torch.nn.Module)]
    return networks[-1]().eval()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(graphs())
def test_random_networks_count_the_same(graph: Graph) -> None:
    totals = convcost.analyze(graph).totals
    network = made_from(to_source(graph))
    assert sum(parameter.numel() for parameter in network.parameters()) == totals.params
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # of the fused form it counts 0
        outputs = network(*[torch.zeros(1, *node.shape) for node in graph.inputs])
    assert counter.get_total_flops() == 2 * totals.macs
    found = outputs if isinstance(outputs, tuple) else (outputs,)
    assert [tuple(output.shape[1:]) for output in found] == [node.shape for node in graph.outputs]


def test_the_command_writes_a_program(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    command = [sys.executable, "-m", "convcost", "export", "squeezenet1_1", "--to", "torch", "-o", str(path)]
    subprocess.run(command, check=True, cwd=ROOT)
    source = path.read_text()
    assert "import convcost" not in source
    assert '"""SqueezeNet 1.1, as PyTorch.' in source
    assert "        self.fire2_squeeze = nn.Conv2d(64, 16, 1)" in source
    assert "        # fire2: fire squeeze 16 expand1x1 64 expand3x3 64" in source
    result = subprocess.run([sys.executable, str(path)], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout.splitlines() == ["1235496 parameters", "(1, 1000)"]


@pytest.mark.parametrize("name", ["add", "concat", "F", "nn", "torch", "class", "3d net", "", "same padding"])
def test_the_class_takes_no_name_that_the_source_needs(name: str) -> None:
    b = Builder()
    x = b.conv(b.input((2, 5, 5)), out_channels=2, kernel_size=3, stride=2, padding="same_tf")
    b.concat(b.add(x, x), x)
    network = made_from(to_source(b.graph(name=name)))
    assert network(torch.zeros(1, 2, 5, 5)).shape == (1, 4, 3, 3)


def test_names_become_different_identifiers() -> None:
    b = Builder()
    x = b.input((1, 4), name="x")
    x = b.relu(x, name="class")
    x = b.relu(x, name="train")
    x = b.relu(x, name="a-b")
    x = b.relu(x, name="a_b")
    b.relu(x, name="self")
    source = to_source(b.graph(name='quotes """ and \\'))
    network = made_from(source)
    assert network(torch.zeros(1, 1, 4)).shape == (1, 1, 4)
    assert {name for name, _ in network.named_children()} == {"class_", "train_", "a_b", "a_b_", "self_"}
