"""Finding a network: by its path, or by the bare name of a bundled one."""

import os
from fractions import Fraction
from pathlib import Path

import pytest

from convcost.errors import ConvcostError, SpecError
from convcost.frontends import load as load_module
from convcost.frontends.load import bundled_names, bundled_path, find_spec, load, load_spec

ROOT = Path(__file__).parents[2]
TEXT = "variables: {width: 1}\ninput: [3]\nlayers: [{linear: {out_features: 2 * width}}]\nexpect: {params: 8}\n"
NAMES = (
    "alexnet, mobilenet_v1, mobilenet_v2, resnet18, resnet50, resnext50_32x4d, "
    "squeezenet1_0, squeezenet1_1, unet, vgg16"
)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    return path


def test_bundled_names_are_the_files_in_specs() -> None:
    assert bundled_names() == sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))
    assert {*NAMES.split(", ")} <= {*bundled_names()}
    for name in bundled_names():
        assert os.path.isfile(bundled_path(f"{name}.yaml"))


def test_a_path(net: Path) -> None:
    assert find_spec(str(net)) == str(net)
    assert load(str(net)).layers[0].shape == (2,)
    assert load(net).layers[0].shape == (2,)  # type: ignore[arg-type]


def test_a_relative_path(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(net.parent)
    assert find_spec("net.yaml") == "net.yaml"
    assert find_spec(os.path.join(".", "net.yaml")) == os.path.join(".", "net.yaml")
    assert load("net.yaml").layers[0].shape == (2,)


@pytest.mark.parametrize("target", ["vgg16", "vgg16.yaml"])
def test_a_bare_name(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_spec(target) == bundled_path("vgg16.yaml")
    assert load(target).name == "VGG-16"


def test_a_file_here_comes_before_a_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vgg16.yaml").write_text(TEXT)
    assert find_spec("vgg16.yaml") == "vgg16.yaml"
    assert find_spec("vgg16") == bundled_path("vgg16.yaml")


def test_variables_are_set_by_keyword(net: Path) -> None:
    graph = load(str(net), width=Fraction(3, 2))
    assert graph.layers[0].shape == (3,)
    assert graph.variables == {"width": Fraction(3, 2)}
    assert load("mobilenet_v1", width=0.5, resolution=160).inputs[0].shape == (3, 160, 160)


def test_a_variable_may_be_called_target(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT.replace("width", "target"))
    assert load(str(path), target=4).layers[0].shape == (8,)


def test_a_spec_has_its_expectations(net: Path) -> None:
    (found,) = load_spec(str(net)).expectations
    assert (found.variables, found.totals, found.line) == ({}, {"params": 8}, 4)


UNKNOWN = {
    "mobilenet": '"mobilenet" is neither a file nor a bundled spec; bundled are {}; did you mean "mobilenet_v2"?',
    "vgg": '"vgg" is neither a file nor a bundled spec; bundled are {}; did you mean "vgg16"?',
    "VGG16": '"VGG16" is neither a file nor a bundled spec; bundled are {}; did you mean "vgg16"?',
    "zzz": '"zzz" is neither a file nor a bundled spec; bundled are {}',
    "": '"" is neither a file nor a bundled spec; bundled are {}',
    "a\0b": '"a\\x00b" is neither a file nor a bundled spec; bundled are {}',
}


@pytest.mark.parametrize("target", UNKNOWN)
def test_an_unknown_name(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "bundled_names", lambda: NAMES.split(", "))
    with pytest.raises(ConvcostError) as caught:
        find_spec(target)
    assert str(caught.value) == UNKNOWN[target].format(NAMES)


@pytest.mark.parametrize("target", ["missing.yaml", "missing.yml", "folder/missing", "/missing", "../specs/vgg16"])
def test_a_path_that_is_not_there(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        load(target)
    assert str(caught.value) == f"{target}:1:1: there is no such file"


def test_a_bundled_spec_that_is_misspelt_with_its_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        load("mobilnet_v1.yaml")
    assert str(caught.value) == 'mobilnet_v1.yaml:1:1: there is no such file; did you mean "mobilenet_v1"?'


def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    with pytest.raises(SpecError) as caught:
        load("nets")
    assert str(caught.value) == "nets:1:1: this is a folder, not a spec"


def test_mistakes_carry_the_path_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yml").write_text("input: [3]\nlayers: [rleu, zzz]\n")
    with pytest.raises(SpecError) as caught:
        load("net.yml")
    assert caught.value.path == "net.yml"
    assert str(caught.value).splitlines() == [
        'net.yml:2:10: unknown operator or block "rleu"; `convcost ops` lists them; did you mean "relu"?',
        'net.yml:2:16: unknown operator or block "zzz"; `convcost ops` lists them',
    ]


def test_an_installed_package_brings_its_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "convcost"
    (package / "specs").mkdir(parents=True)
    (package / "specs" / "only.yaml").write_text(TEXT)
    monkeypatch.setattr(load_module, "__file__", str(package / "frontends" / "load.py"))
    assert bundled_names() == ["only"]
    assert load("only").layers[0].shape == (2,)
