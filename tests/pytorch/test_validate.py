"""`convcost validate`: agreement, planted errors, limits of counters, devices, and what goes wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import convcost
from convcost.graph import Builder, Graph

torch = pytest.importorskip("torch")

from convcost.pytorch import execute  # noqa: E402
from convcost.pytorch.validate import validate  # noqa: E402

ROOT = Path(__file__).parents[2]


def run(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """`convcost ARGUMENTS`, in a process that first runs some Python."""
    code = f"import sys; sys.argv = {['convcost', *arguments]!r}\n{before}\nfrom convcost.cli import main\nmain()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def test_every_bundled_network_agrees() -> None:
    result = run("validate", "specs/", "--format", "json")
    assert result.returncode == 0, result.stdout[-2000:]
    validations = json.loads(result.stdout)["validations"]
    assert [Path(validation["target"]).name for validation in validations] == sorted(
        path.name for path in (ROOT / "specs").glob("*.yaml")
    )
    for validation in validations:
        assert validation["agrees"] is True
        assert all(comparison["agrees"] for comparison in validation["comparisons"])
        assert validation["memory"]["peak_with_workspace_bytes"] >= validation["memory"]["peak_bytes"] > 0


PLANTS = {
    "Conv.macs": ("conv", "macs", "MACs"),
    "Grouped.params": ("conv", "params", "parameters"),
    "Linear.macs": ("linear", "macs", "MACs"),
    "BatchNorm.params": ("norm", "params", "parameters"),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_doubled_formula_is_found_and_named(plant: str) -> None:
    file, formula, quantity = PLANTS[plant]
    owner = plant.split(".")[0]
    before = (
        f"from convcost.ops import {file} as family\n"
        f"right = family.{owner}.{formula}\n"
        f"family.{owner}.{formula} = lambda *arguments: 2 * right(*arguments)"
    )
    result = run("validate", "resnet18", before=before)
    layer = {"conv": "stem", "linear": "fc", "norm": "batch_norm1"}[file]
    assert result.returncode == 1
    assert any(line.split()[:2] == [layer, quantity] for line in result.stdout.splitlines()), result.stdout
    assert "differences in" in result.stdout


def test_a_wrong_size_is_found() -> None:
    before = (
        "from convcost.ops import pool\n"
        "right = pool.Pool.out_shape\n"
        "pool.Pool.out_shape = lambda self, inputs: (*right(self, inputs)[:-1], right(self, inputs)[-1] + 1)"
    )
    result = run("validate", "resnet18", before=before)
    assert result.returncode == 1
    assert any(
        line.split()[:5] == ["max_pool1", "output", "shape", "64x56x57", "64x56x56"]
        for line in result.stdout.splitlines()
    )


def test_a_wrong_memory_rule_is_found() -> None:
    before = "from convcost.ops.view import Flatten\nFlatten.view = False"
    result = run("validate", "resnet18", before=before)
    assert result.returncode == 1
    assert any(line.split()[:3] == ["flatten1", "live", "bytes"] for line in result.stdout.splitlines())


def same_padding() -> Graph:
    b = Builder()
    b.conv(b.input((3, 8, 8)), out_channels=4, kernel_size=3, padding="same", name="same")
    return b.graph()


def test_limits_of_counters_are_named_where_they_bite() -> None:
    result = validate(same_padding())
    assert result.differences == ()
    (limited,) = result.limited
    assert (limited.layer, limited.symbolic, limited.executed) == ("same", 4 * 27 * 64, 0)
    assert limited.limit == "fvcore counts 0 for padding='same' (no rule for aten::_convolution_mode)"


def test_what_a_limit_predicts_is_held_to_exactly() -> None:
    (limited,) = validate(same_padding()).limited
    assert not limited.disagrees
    assert limited.replace(executed=1).disagrees
    assert limited.replace(executed=limited.symbolic).disagrees  # mended in the counter: the limit is to go


def test_backward_is_three_times_forward_but_for_the_first_layer() -> None:
    graph = convcost.load("squeezenet1_1")
    result = validate(graph, backward=True)
    assert result.differences == ()
    backward = {c.layer: c.executed for c in result.comparisons if c.quantity == "forward and backward MACs"}
    forward = {layer.node.name: layer.cost.macs for layer in convcost.analyze(graph).layers}
    assert backward["conv1"] == 2 * forward["conv1"]  # the image needs no gradient
    assert backward["conv10"] == 3 * forward["conv10"]


def test_grouped_weight_gradients_are_a_known_limit() -> None:
    b = Builder()
    x = b.conv(b.input((4, 6, 6)), out_channels=4, kernel_size=1, name="first")
    b.conv(x, out_channels=8, kernel_size=3, groups=2, name="grouped")
    result = validate(b.graph(), backward=True)
    assert result.differences == ()
    expected = ["grouped"] if execute.counts_groups_in_backward() else []
    assert [comparison.layer for comparison in result.limited] == expected


def test_meta_computes_nothing_and_says_what_is_left_out() -> None:
    graph = convcost.load("vgg16", resolution=224 * 32)  # 28 GiB of activations at its peak on a real device
    result = validate(graph, device="meta")
    assert result.differences == ()
    assert {comparison.quantity for comparison in result.comparisons} == {
        "output shape",
        "parameters",
        "buffers",
        "MACs",
    }
    assert result.omitted[0] == "memory: nothing is allocated on meta"
    assert (
        "Not compared: memory: nothing is allocated on meta." in run("validate", "resnet18", "--device", "meta").stdout
    )


def test_a_network_without_layers_agrees(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("input: [3, 8]\nlayers: [{relu: {}, repeat: 0}]\n")
    result = run("validate", str(spec))
    assert result.returncode == 0
    assert result.stdout == "network: 0 differences in 2 comparisons of 0 layers (cpu, batch 1)\n"


def test_several_networks_are_summed_up() -> None:
    result = run("validate", "resnet18", "squeezenet1_0", "--device", "meta")
    # shape, parameters, buffers and MACs of 69 and 66 layers, and two totals each
    assert result.stdout.splitlines()[-1] == "2 networks: 0 differences in 544 comparisons"


def test_all_shows_every_comparison() -> None:
    result = run("validate", "resnet18", "--all", "--format", "csv")
    rows = result.stdout.splitlines()
    assert rows[0] == "target,layer,quantity,symbolic,executed,difference"
    assert len(rows) == 1 + 6 * 69 + 3  # six quantities of 69 layers, and three totals
    assert "resnet18,stem,MACs,118013952,118013952,0" in rows


@pytest.mark.parametrize(
    ("arguments", "before", "message"),
    [
        (
            ["validate", "resnet18"],
            "sys.modules['torch'] = None",
            "convcost validate needs PyTorch: pip install 'convcost[torch]'",
        ),
        (
            ["export", "resnet18", "--to", "torch"],
            "sys.modules['torch'] = None",
            "convcost export --to torch needs PyTorch: pip install 'convcost[torch]'",
        ),
        (["validate", "resnet18", "--device", "tpu"], "", 'unknown device "tpu"; it must be cpu, cuda or meta'),
        (["validate", "no_such_net"], "", '"no_such_net" is neither a file nor a bundled spec;'),
        (["validate", "docs"], "", "docs: the folder has no spec (*.yaml)"),
        (["validate", "resnet18", "--batch", "0"], "", "resnet18: batch is 0; it must be at least 1"),
        (["validate", "resnet18", "--batch", "-1"], "", "resnet18: batch is -1; it must be at least 1"),
        (
            ["validate", "resnet18", "--batch", "99999999999999"],
            "",
            "resnet18: inputs for a batch of 99,999,999,999,999 do not fit into the memory of cpu",
        ),
    ],
)
def test_wrong_questions_exit_with_2(arguments: list[str], before: str, message: str) -> None:
    result = run(*arguments, before=before)
    assert result.returncode == 2
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said() -> None:
    result = run("validate", "resnet18", "--device", "cuda")
    assert result.returncode == 2
    assert result.stderr == "--device cuda: PyTorch sees no GPU here; use cpu, or meta for networks too large to run\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_agrees() -> None:
    assert validate(convcost.load("mobilenet_v2"), device="cuda", backward=True).differences == ()


def test_interrupted_runs_leave_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "convcost", "validate", "specs", "--output", str(tmp_path / "report.txt")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.decode()) == (130, "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_torch_settings_are_as_before() -> None:
    was = torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled()
    validate(same_padding(), backward=True)
    assert was == (torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled())


# ---- receptive fields ----


def test_receptive_fields_are_compared_where_asked() -> None:
    result = run("validate", "squeezenet1_1", "resnet20_cifar", "--rf", "--format", "json")
    assert result.returncode == 0, result.stdout[-2000:]
    for validation in json.loads(result.stdout)["validations"]:
        assert validation["agrees"] is True
        compared = [one for one in validation["comparisons"] if one["quantity"].startswith("touched cells")]
        layers = {one["layer"] for one in validation["comparisons"]} - {"total"}
        assert {one["layer"] for one in compared} == layers
        assert all(one["symbolic"] == one["executed"] and one["agrees"] for one in compared)
    assert "touched cells" not in run("validate", "resnet20_cifar", "--all").stdout


def test_units_in_the_corners_and_in_the_middle_are_compared(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("input: [1, 8, 9]\nlayers: [{conv: {out_channels: 2, kernel_size: 3, padding: 1}, name: c}]\n")
    result = run("validate", str(spec), "--rf", "--all", "--format", "csv")
    # a 3x3 window around (0, 0) and (7, 8) has 2 x 2 cells within the input, around (4, 4) all 9
    rows = [row.split(",", 1)[1] for row in result.stdout.splitlines() if ", unit (" in row]
    assert rows == [
        'c,"touched cells, unit (0, 0)",4 in 0..1 x 0..1,4 in 0..1 x 0..1,',
        'c,"receptive field, unit (0, 0)",within 0..1 x 0..1,0..1 x 0..1,',
        'c,"touched cells, unit (4, 4)",9 in 3..5 x 3..5,9 in 3..5 x 3..5,',
        'c,"receptive field, unit (4, 4)",3..5 x 3..5,3..5 x 3..5,',
        'c,"touched cells, unit (7, 8)",4 in 6..7 x 7..8,4 in 6..7 x 7..8,',
        'c,"receptive field, unit (7, 8)",within 6..7 x 7..8,6..7 x 7..8,',
    ]


def test_a_window_that_is_read_wrongly_is_found_and_named() -> None:
    before = (
        "from convcost.ops import pool\n"
        "right = pool.Pool.reads\n"
        "def wrong(self, inputs, output):\n"
        "    ((product,),) = right(self, inputs, output)\n"
        "    return (((*product[:-1], product[-1].replace(taps=(product[-1].taps[0].replace(last=2),))),),)\n"
        "pool.Pool.reads = wrong"
    )
    result = run("validate", "resnet18", "squeezenet1_1", "--rf", before=before)
    assert result.returncode == 1
    # unit 0 reads columns -1..1 of the stem, and 2 by mistake, whose windows of 7 start at 2 q - 3: up to 7, not 5
    line = next(line for line in result.stdout.splitlines() if line.startswith("max_pool1"))
    said = "touched cells, unit (0, 0) 48 in 0..5 x 0..7 36 in 0..5 x 0..5, without (0, 6) differs"
    assert " ".join(line.split()) == f"max_pool1 {said}"
    assert "2 networks:" in result.stdout.splitlines()[-1]
    assert run("validate", "resnet18", before=before).returncode == 0  # nothing else depends on it


def test_no_gradient_is_computed_on_meta() -> None:
    result = run("validate", "squeezenet1_1", "--rf", "--device", "meta")
    assert result.returncode == 0
    assert "Not compared: receptive fields: no gradient is computed on meta." in result.stdout


def test_a_network_on_features_has_no_receptive_field() -> None:
    b = Builder()
    b.linear(b.input((5,)), out_features=3)
    assert not [c for c in validate(b.graph(), rf=True).comparisons if "unit" in c.quantity or "field" in c.quantity]
