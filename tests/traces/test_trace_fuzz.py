"""Whatever happens to the bytes of a trace, reading it gives the same trace or one `InputError`."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import plain_trace

from traces import InputError, Layer, Trace, TraceWriter


def contents(path):
    """Read everything, in a form that can be compared."""
    with Trace(path) as trace:
        steps = [
            (step.number, step.info, layer, tensor, np.asarray(getattr(value, "packed", value)).tobytes())
            for step in trace
            for layer, record in step.layers.items()
            for tensor, value in record.tensors.items()
        ]
        return trace.header, steps


def check(path, damaged, expected):
    path.write_bytes(damaged)
    with contextlib.suppress(InputError):
        assert contents(path) == expected


@pytest.fixture(scope="module", params=["writer", "numpy"])
def original(request, tmp_path_factory):
    """Make a small file, its bytes and what it holds: deflated by the writer, or stored by numpy."""
    path = tmp_path_factory.mktemp("fuzz") / "run.npz"
    if request.param == "numpy":
        plain_trace.save(path, *plain_trace.small_trace(), compressed=False)
    else:
        header = {"layers": [Layer("a", "lstm", 3, 2)], "batch_size": 2, "sequence_length": 2}
        rng = np.random.default_rng(0)
        with TraceWriter(path, header) as writer:
            mask = rng.random((2, 2, 8)) < 0.5
            values = np.ones(mask.sum(), np.float32)
            tensors = {"gate_gradient": mask, "hidden": mask[:, :, :2], "gate_gradient_values": values}
            writer.add_step(1, {"a": tensors})
    return path, path.read_bytes(), contents(path)


def positions(intact):
    """Choose what to damage: an even selection, and all of the end and of a small file's directory."""
    directory, end = intact.index(b"PK\x01\x02"), intact.index(b"PK\x05\x06")
    steps = directory // 250 + 1, (end - directory) // 400 + 1
    return [*range(0, directory, steps[0]), *range(directory, end, steps[1]), *range(end, len(intact))]


def test_flipping_any_byte_is_harmless_or_refused(original):
    path, intact, expected = original
    for index, position in enumerate(positions(intact)):
        damaged = bytearray(intact)
        damaged[position] ^= (0xFF, 0x01, 0x80)[index % 3]
        check(path, damaged, expected)


def test_every_truncation_is_refused(original):
    path, intact, _ = original
    for length in positions(intact)[::2]:
        path.write_bytes(intact[:length])
        with pytest.raises(InputError):
            contents(path)


def test_a_directory_entry_that_swallows_an_optional_member_is_refused(original):
    path, intact, _ = original
    entries = [match.start() for match in re.finditer(b"PK\x01\x02", intact)]
    # The comment of the last entry but one, stretched over the last entry.
    damaged = bytearray(intact)
    damaged[entries[-2] + 32 : entries[-2] + 34] = (intact.index(b"PK\x05\x06") - entries[-1]).to_bytes(2, "little")
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="number of members"):
        contents(path)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(data=st.data())
def test_any_change_of_bytes_is_harmless_or_refused(original, data):
    path, intact, expected = original
    damaged = bytearray(intact)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, max(len(damaged) - 1, 0)))
        length = data.draw(st.sampled_from([0, 1, 2, 4, 8, 40]))
        damaged[start : start + length] = data.draw(st.binary(max_size=9))
    check(path, damaged, expected)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(["lstm", "a", "fixed"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["step", "name"]), inner),
        max_leaves=6,
    ),
    st.data(),
)
def test_any_json_value_at_any_place_of_the_header_is_read_or_refused(tmp_path_factory, value, data):
    header, members = plain_trace.small_trace()
    place = header
    while isinstance(place, (dict, list)) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            place[key] = value
            break
        place = place[key]
    path = plain_trace.save(tmp_path_factory.mktemp("json") / "run.npz", header, members)
    with contextlib.suppress(InputError):
        contents(path)
