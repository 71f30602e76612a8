"""Graphs as modules: names, values, freed tensors, failures, and what the code may read."""

import ast
from pathlib import Path

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.graph import Builder, Graph

torch = pytest.importorskip("torch")

from convcost.pytorch import forms  # noqa: E402
from convcost.pytorch.build import ExecutionError, Network, build  # noqa: E402
from convcost.pytorch.validate import validate  # noqa: E402

PACKAGE = Path(forms.__file__).parents[1]
FORMULAS = {
    "out_shape",
    "weights",
    "params",
    "buffers",
    "macs",
    "elementwise",
    "pooled",
    "overhangs",
    "view_strides",
    "reads",
}


def two_branches() -> Graph:
    b = Builder()
    x = b.input((3, 8, 8))
    x = b.conv(x, out_channels=4, kernel_size=3, padding="same", name="stem")
    x = b.add(x, b.relu(b.dsconv(x, out_channels=4, name="unit")))
    b.linear(b.flatten(b.global_avg_pool(x)), out_features=2, name="head")
    return b.graph()


def test_one_submodule_a_node_named_like_it() -> None:
    graph = two_branches()
    network = build(graph)
    leaves = {name for name, module in network.named_modules() if not list(module.children()) and name}
    assert leaves == {node.name for node in graph.layers}
    assert isinstance(network.get_submodule("unit.depthwise"), torch.nn.Conv2d)
    assert network.get_submodule("unit.depthwise").groups == 4


TAKEN = ["train", "training", "forward", "type", "run", "module_of", "_layers", "_modules", "parameters", "half"]


@pytest.mark.parametrize("name", TAKEN)
def test_names_that_a_module_has_taken(name: str) -> None:
    b = Builder()
    b.relu(b.input((1, 2)), name=name)
    graph = b.graph()
    network = build(graph)
    assert network.path_of(graph.layers[0]) == f"{name}_"
    assert isinstance(network.module_of(graph.layers[0]), torch.nn.ReLU)
    assert network(torch.tensor([[[-1.0, 2.0]]])).tolist() == [[[0.0, 2.0]]]


def test_names_that_collide_keep_modules_of_their_own() -> None:
    b = Builder()
    x = b.input((3, 4, 4))
    for name in ("forward", "forward_", "a", "a.b", "a_.b"):
        x = b.conv(x, out_channels=3, kernel_size=1, name=name)
    graph = b.graph()
    network = build(graph)
    assert len({id(network.module_of(node)) for node in graph.layers}) == 5
    assert sum(parameter.numel() for parameter in network.parameters()) == 5 * 12
    assert validate(graph).differences == ()


def test_values_are_those_of_the_same_network_by_hand() -> None:
    torch.manual_seed(0)
    network = Network(two_branches()).eval()
    x = torch.randn(2, 3, 8, 8)
    stem, unit = network.get_submodule("stem"), network.get_submodule("unit")
    hidden = stem(x)
    hidden = hidden + torch.relu(unit.get_submodule("pointwise")(unit.get_submodule("depthwise")(hidden)))
    expected = network.get_submodule("head")(hidden.mean((2, 3)))
    assert torch.allclose(network(x), expected, atol=1e-6)


def test_tensorflow_padding_puts_the_odd_element_behind() -> None:
    b = Builder()
    b.conv(b.input((1, 6)), out_channels=1, kernel_size=3, stride=2, padding="same_tf", bias=False, name="conv")
    network = Network(b.graph())
    network.get_submodule("conv.layer").weight.data.fill_(1.0)
    # 6 elements, stride 2: ceil(6 / 2) = 3 windows span 2 x 2 + 3 = 7, so one zero behind
    assert network(torch.arange(1.0, 7.0).reshape(1, 1, 6)).tolist() == [[[6.0, 12.0, 11.0]]]


def test_several_outputs_come_as_a_tuple() -> None:
    b = Builder()
    x = b.input((2, 4))
    b.relu(x)
    b.sigmoid(x)
    outputs = build(b.graph())(torch.zeros(1, 2, 4))
    assert [tuple(output.shape) for output in outputs] == [(1, 2, 4), (1, 2, 4)]


def test_a_failing_layer_is_named_with_its_input_shapes() -> None:
    network = build(two_branches())
    with pytest.raises(ExecutionError) as failed:
        network(torch.zeros(1, 5, 8, 8))
    assert str(failed.value).startswith('conv "stem" on 1x5x8x8 failed: Given groups=1, weight of size [4, 3, 3, 3]')


def names_read(source: str) -> set[str]:
    """Attributes and imported names in a source."""
    tree = ast.parse(source)
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return attributes | imports


def modules_imported(source: str) -> set[str]:
    return {node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}


EXECUTION = [
    "build.py",
    "execute.py",
    "field.py",
    "surrogate.py",
    *(
        str(path.relative_to(PACKAGE))
        for folder in ("forms", "modules")
        for path in sorted((PACKAGE / folder).glob("*.py"))
    ),
]


def test_every_file_that_executes_is_read() -> None:
    assert {"forms/window.py", "modules/move.py"} <= set(EXECUTION)


@pytest.mark.parametrize("name", EXECUTION)
def test_execution_reads_fields_and_never_formulas(name: str) -> None:
    source = (PACKAGE / name).read_text()
    read = names_read(source) - ({"buffers"} if name in ("build.py", "execute.py") else set())  # torch's method
    assert not read & FORMULAS
    imported = modules_imported(source)
    assert not {module for module in imported if module.startswith(("convcost.analysis", "convcost.arith"))}
    assert "convcost.ops.window" not in imported


def test_the_check_can_fail() -> None:
    assert names_read("size = op.out_shape(inputs)") & FORMULAS == {"out_shape"}
    assert names_read("from convcost.ops.base import macs") & FORMULAS == {"macs"}
