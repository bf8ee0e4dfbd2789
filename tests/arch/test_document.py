"""YAML text: the 1.2 scalars, positions, and everything that is refused."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.arch import config_root, document
from simulator.arch.document import DEEPEST, LONGEST_BYTES, parse_document, read_document
from traces.errors import InputError, Problem


def told(text: str) -> list[str]:
    """Give everything that is said of a text."""
    try:
        return [str(problem) for problem in parse_document(text, "f.yaml").problems]
    except InputError as error:
        return [str(problem) for problem in error.problems]


def refusal(text: str) -> tuple[str, str]:
    """Give where and what the first problem of a text is."""
    try:
        problems = parse_document(text, "f.yaml").problems
    except InputError as error:
        problems = list(error.problems)
    return problems[0].where, problems[0].found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-6", 1e-6),
        ("1.0e+3", 1000.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("-12", -12),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("|\n  12\n", "12\n"),
        ("=", "="),
        ("<<", "<<"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_scalar_is_read_as_yaml_1_2_has_it(text: str, value: object) -> None:
    got = parse_document(f"a: {text}", "f.yaml")
    assert got.data == {"a": value}
    assert type(got.data["a"]) is type(value)
    assert not got.problems


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", exclude_characters="\x7f", min_codepoint=32), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_json_is_read_as_json_reads_it(data: object) -> None:
    text = json.dumps(data)
    got = parse_document(text, "f.yaml")
    assert got.problems == []
    assert got.data == json.loads(text)


def test_positions_are_those_of_keys_and_values() -> None:
    text = "a: 1\nbuffers:\n  skip: {capacity_kib: 12, double: on}\nlist: [5,\n  {x: 6}]\n"
    document = parse_document(text, "configs/x.yaml")
    assert document.place(("buffers", "skip", "capacity_kib")) == ("configs/x.yaml:3:24 buffers.skip.capacity_kib")
    assert document.place(("buffers", "skip", "double"), True) == "configs/x.yaml:3:28 buffers.skip.double"
    assert document.place(("list", 1, "x")) == "configs/x.yaml:5:7 list.1.x"
    # What is absent stands at its owner's key.
    assert document.place(("buffers", "skip", "no")) == "configs/x.yaml:3:3 buffers.skip.no"
    assert document.place(("no",)) == "configs/x.yaml:1:1 no"


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1 a", "the key 'a' again"),
        ("x: {b: 1, b: 2}", "f.yaml:1:11 x.b", "the key 'b' again"),
        ("1: 2", "f.yaml:1:1", "1 as a key"),
        ("true: 2", "f.yaml:1:1", "true as a key"),
        ("? [a]\n: 1", "f.yaml:1:3", "a mapping or a list as a key"),
        ("a: &x 1", "f.yaml:1:4 a", "the anchor &x"),
        ("a: *x", "f.yaml:1:4 a", "the alias *x"),
        (
            "a: !!python/object:os.system x",
            "f.yaml:1:4 a",
            "the tag tag:yaml.org,2002:python/object:os.system",
        ),
        ("a: .inf", "f.yaml:1:4 a", ".inf"),
        ("a: -.INF", "f.yaml:1:4 a", "-.INF"),
        ("a: .nan", "f.yaml:1:4 a", ".nan"),
        ("a: 1e999", "f.yaml:1:4 a", "1e999"),
        ("a: 9223372036854775808", "f.yaml:1:4 a", "9223372036854775808"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1", "a second document"),
        ('a: "\\ud800"', "f.yaml:1:4 a", "half of a surrogate pair"),
    ],
)
def test_refused_text_is_named_with_its_place(text: str, where: str, found: str) -> None:
    assert refusal(text) == (where, found)


def test_several_problems_are_all_told() -> None:
    problems = parse_document("a: &x 1\na: 2\nb: .inf\n", "f.yaml").problems
    assert [problem.where for problem in problems] == ["f.yaml:1:4 a", "f.yaml:2:1 a", "f.yaml:3:4 b"]


@pytest.mark.parametrize("text", ["a: [", "{a: b", '"a', "a: b: c", "a: @", "a\tb: \t- c", "a: 'b\n- c", "]"])
def test_syntax_error_is_one_problem_with_line_and_column(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_document(text, "f.yaml")
    (problem,) = caught.value.problems
    source, line, column = problem.where.split(":")
    assert source == "f.yaml"
    assert int(line) >= 1
    assert int(column) >= 1
    assert problem.found.startswith("a syntax error")


def test_control_character_is_named_with_its_place() -> None:
    assert refusal("ab: 1\nc: \x01") == ("f.yaml:2:4", "the character '\\x01'")


def test_escape_beyond_unicode_is_an_input_error() -> None:
    assert refusal('a: "\\UFFFFFFFF"')[1].startswith("text that YAML cannot read")


def test_deep_nesting_is_refused_without_recursion() -> None:
    found = (f"f.yaml:1:{DEEPEST + 1}", f"more than {DEEPEST} levels of nesting")
    assert refusal("[" * (LONGEST_BYTES // 2)) == found
    assert refusal("{a: " * LONGEST_BYTES)[1] == found[1]
    assert "more than" in "".join(told("? " + "[" * 1000))
    assert not parse_document("[" * DEEPEST + "]" * DEEPEST, "f.yaml").problems


def test_file_that_is_no_text_is_an_input_error(tmp_path: Path) -> None:
    junk = tmp_path / "junk.yaml"
    junk.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"no UTF-8 text \(at byte 128\)"):
        read_document(junk)


def test_file_that_is_too_long_is_an_input_error(tmp_path: Path) -> None:
    long = tmp_path / "long.yaml"
    long.write_bytes(b"#" * (LONGEST_BYTES + 1))
    with pytest.raises(InputError, match="more than 262144 bytes"):
        read_document(long)


def test_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_document(file).data == {"a": 1, "b": 2}


@given(
    st.text()
    | st.text("{}[]:,-?&*!|>'\"#%@`\\ \n\tab01.~<=", max_size=40)
    | st.binary().map(lambda b: b.decode("latin1"))
)
def test_any_text_is_read_or_an_input_error(text: str) -> None:
    try:
        document = parse_document(text, "f.yaml")
    except InputError as error:
        problems = error.problems
    else:
        problems = (*document.problems, Problem("f.yaml", "", ""))
        json.dumps(document.data, allow_nan=False).encode()
    assert all(problem.where.startswith("f.yaml") for problem in problems)
    assert problems


TOKENS = ["a", "b: ", "- ", "\n", "  ", "[", "]", "{", "}", ",", ":", " ", "#", "'", '"', "-", "1", "1e3", "~", "é"]
ODD_TOKENS = ["|", ">", ": >-\n  a", "- |\n   b\n", "&x", "*x", "!t", "?", "%", "@", "`", "---", "...", "\\", "\\x41"]


@settings(max_examples=2000)
@given(st.lists(st.sampled_from(TOKENS + ODD_TOKENS), max_size=14).map("".join))
def test_text_that_is_common_is_read_alike_by_both_parsers(text: str) -> None:
    """libyaml and PyYAML's own parser differ in odd places, which the quick one does not get."""

    def outcome(loader: type[yaml.SafeLoader]) -> Any:
        with mock.patch.object(document, "QUICK_LOADER", loader):
            try:
                return document.parse_document(text, "x")
            except InputError as error:
                return error.problems

    if document.QUICK_LOADER is yaml.SafeLoader:
        pytest.skip("this PyYAML has no libyaml")
    assert outcome(document.QUICK_LOADER) == outcome(yaml.SafeLoader)


def test_shipped_files_are_common() -> None:
    shipped = sorted(config_root().rglob("*.yaml"))
    assert shipped
    assert [path.name for path in shipped if not document.is_common(path.read_text(encoding="utf-8"))] == []
