"""How scopes, names and wiring are written: lists in each other, and who reads whom."""

from contextlib import ExitStack

from convcost.graph import Builder
from written import layers_of, names, same_again


def test_several_inputs_further_outputs_and_a_value_read_twice() -> None:
    b = Builder()
    left = b.input((4, 8), name="left")
    x = b.relu(left)
    b.global_avg_pool(x, name="aside")
    right = b.input((4, 8), name="right")
    y = b.add(x, x, right)
    b.concat(left, y)
    text, again = same_again(b.graph())
    assert text.splitlines()[1] == "input: {left: [4, 8], right: [4, 8]}"
    assert (
        layers_of(text)
        == """\
  - relu:
    name: relu1
    from: left
  - global_avg_pool:
    name: aside
  - add:
    name: add1
    from: [relu1, relu1, right]
  - concat:
    from: [left, add1]"""
    )
    assert names(again) == ["relu1", "aside", "add1", "concat1"]
    assert [node.name for node in again.outputs] == ["aside", "concat1"]


def test_one_input_of_another_name() -> None:
    b = Builder()
    b.add(b.relu(x := b.input((4,), name="on")), x)
    text, _ = same_again(b.graph())
    assert text.splitlines()[1] == 'input: {"on": [4]}'
    assert layers_of(text) == '  - relu:\n    name: relu1\n  - add:\n    from: [relu1, "on"]'


def test_a_network_without_layers() -> None:
    b = Builder()
    b.input((4,))
    assert layers_of(same_again(b.graph())[0]) == "  - sequence: []"


def named(*given: str) -> list[str]:
    """Layers of these names in a chain, as they are called when they are read back."""
    b = Builder()
    x = b.input((4,), name="in")
    for name in given:
        x = b.relu(x, name=name)
    return names(same_again(b.graph())[1])


def test_names_that_a_spec_does_not_allow() -> None:
    assert named("input", "a b", "a_b", "3d", "true", "é", "x" * 70, "x" * 71) == [
        "input_2",
        "a_b_2",
        "a_b",
        "_3d",
        "true",
        "_",
        "x" * 64,
        "x" * 62 + "_2",
    ]
    assert named("relu1", "relu3", "relu2", "relu5") == ["relu1", "relu3", "relu2", "relu5"]


def test_names_that_a_layer_would_have_anyway_are_left_out() -> None:
    b = Builder()
    x = b.relu(b.relu(b.relu(b.input((4,)))))
    y = b.relu(x)
    b.relu(b.add(x, y))
    text, again = same_again(b.graph())
    assert (
        layers_of(text)
        == """\
  - relu
  - relu
  - relu:
    name: relu3
  - relu:
    name: relu4
  - add:
    from: [relu3, relu4]
  - relu"""
    )
    assert names(again) == ["relu1", "relu2", "relu3", "relu4", "add1", "relu5"]


def test_names_with_dots_become_lists_while_their_layers_stand_together() -> None:
    assert named("a.b.c", "a.b.d", "a.c", "b", "a.d", "a") == ["a.b.c", "a.b.d", "a.c", "b", "a_2.d", "a_3"]
    assert named("a..b", "a.b.0", "a.1") == ["a._.b", "a.b.0", "a._1"]


def test_a_scope_of_which_more_than_the_end_is_read_is_dissolved() -> None:
    b = Builder()
    x = b.input((4,))
    with b.scope("outer", "outer"):
        with b.scope("inner", "inner"):
            first = b.relu(x, name="first")
            x = b.tanh(first, name="second")
        x = b.add(x, first, name="add")
    b.mish(x, name="end")
    _, again = same_again(b.graph())
    assert names(again) == ["outer.inner_first", "outer.inner_second", "outer.add", "end"]


def test_a_name_inside_that_hides_one_outside_gives_way() -> None:
    b = Builder()
    x = b.input((4,))
    skip = b.relu(x, name="skip")
    with b.scope("block", "block"):
        x = b.tanh(b.sigmoid(skip, name="skip"))
        b.add(x, skip, name="add")
    _, again = same_again(b.graph())
    assert names(again) == ["skip", "block.skip_2", "block.tanh1", "block.add"]


def test_repetitions_that_differ_are_named_one_by_one() -> None:
    assert named("stage.0.a", "stage.0.b", "stage.1.a", "stage.1.c") == [
        "stage._0.a",
        "stage._0.b",
        "stage._1.a",
        "stage._1.c",
    ]
    assert named("stage.0", "stage.1", "stage.2") == ["stage.0", "stage.1", "stage.2"]
    assert named("stage.1", "stage.2") == ["stage._1", "stage._2"]


def test_repetitions_are_not_taken_for_equal_when_their_names_alone_agree() -> None:
    b = Builder()
    x = b.relu(b.input((4,)), name="_0")
    outer = x
    inner = None
    with b.scope("stage", "stage", "repeat"):
        for number in range(2):
            with b.scope(str(number), "unit"):
                x = b.add(b.tanh(x, name="tanh"), outer if inner is None else inner, name="add")
            inner = x
    _, again = same_again(b.graph())
    assert names(again) == ["_0", "stage._0.tanh", "stage._0.add", "stage._1.tanh", "stage._1.add"]


def test_scopes_deeper_than_a_file_may_be_are_joined() -> None:
    b = Builder()
    x = b.input((8, 8))
    with ExitStack() as stack:
        for depth in range(30):
            stack.enter_context(b.scope(f"s{depth}", "scope", "sequence"))
            x = b.self_grouped_conv(x, name="conv", groups=[[4, 8], [4, 4]], kernel_size=3, padding=1)
    _, again = same_again(b.graph())
    assert names(again)[10:13] == [
        "s0.s1.s2.s3.s4.s5.s6.s7.s8.s9.s10.conv",
        "s0.s1.s2.s3.s4.s5.s6.s7.s8.s9.s10.s11_conv",
        "s0.s1.s2.s3.s4.s5.s6.s7.s8.s9.s10.s11_s12_conv",
    ]
