"""Words, texts and long lists, written so that they are read as what they are."""

from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcost.frontends.spec_writer import to_spec
from convcost.graph import Builder
from written import layers_of, read, reading, same_again, written

law = partial(settings, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))


@law(max_examples=200)
@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=30).filter(str.isprintable))
def test_any_label_is_read_back(label: str) -> None:
    assert written("opaque", (3, 4), label=label, output_shape=(2,)).startswith("  - opaque: {label: ")


@pytest.mark.parametrize("label", ["true", "No", "null", "1.5", "a: b, {c} # d", "it's", 'a "quote"', "a\\b", " x "])
def test_labels_that_yaml_would_take_for_something_else(label: str) -> None:
    assert f"  - opaque: {{label: {label}," not in written("opaque", (3, 4), label=label, output_shape=(2,))


@law(max_examples=100)
@given(st.text(max_size=300), st.text(st.sampled_from("ab:#-'\"\\\n \t,é"), max_size=300))
def test_any_title_is_printed_on_lines_that_are_read_back(name: str, source: str) -> None:
    b = Builder()
    b.relu(b.input((1, 1)))
    spec = read(to_spec(b.graph(name, source)))
    assert reading(spec.graph) == reading(b.graph())
    assert spec.graph.source == " ".join(source.split())
    assert spec.graph.name == spec.graph.name.strip()


def test_a_long_list_and_a_long_source_are_broken_into_lines() -> None:
    b = Builder()
    x = b.input((64, 4))
    b.self_grouped_conv(x, kernel_size=1, groups=[[1, number] for number in range(1, 31)])
    text, again = same_again(b.graph(source="words, and: more words, " * 9))
    assert again.source == ("words, and: more words, " * 9).strip()
    assert [len(line) for line in text.splitlines()[1:3]] == [116, 110]
    assert text.splitlines()[2].startswith("  more words, words, and: more")
    assert layers_of(text).splitlines()[0].endswith(" [1, 8], [1, 9],")
