from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from plain import plain_trace

from traces import InputError, Layer, LayerRecord, Trace, synthetic_trace

HEADER, MEMBERS = plain_trace.small_trace()


@pytest.fixture
def plain_path(tmp_path):
    return plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS)


def unpacked(packed, bits):
    """Unpack bit by bit."""
    T, B, _ = packed.shape
    return np.array(
        [[[packed[t, b, k // 8] >> (k % 8) & 1 for k in range(bits)] for b in range(B)] for t in range(T)],
        bool,
    )


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_of_plain_numpy_reads_as_it_was_written(tmp_path, compressed):
    path = plain_trace.save(tmp_path / "run.npz", HEADER, MEMBERS, compressed)
    seen = set()
    with Trace(path) as trace:
        assert trace.header == HEADER
        assert [step.number for step in trace] == [3, 120] == list(trace.steps)
        for step in trace:
            assert list(step.layers) == ["lstm0", "gru0", "top"]
            for layer in trace.layers:
                for tensor, value in step.layers[layer.name].tensors.items():
                    name = f"steps/{step.number:06d}/{layer.name}/{tensor}"
                    if tensor == "gate_gradient_values":
                        np.testing.assert_array_equal(value, MEMBERS[name])
                    else:
                        expected = unpacked(MEMBERS[name], layer.mask_bits[tensor])
                        np.testing.assert_array_equal(value.unpack(), expected)
                    seen.add(name)
    assert seen == set(MEMBERS)


def test_header_facts_become_attributes(plain_path):
    with Trace(plain_path) as trace:
        assert (trace.batch_size, trace.sequence_length, len(trace)) == (3, 4, 2)
        assert trace.policy == {"kind": "fixed", "threshold": 1e-6}
        assert trace.curve is None
        assert trace.layers[1] == Layer("gru0", "gru", 5, 8, ("r", "z", "n"), "backward")
        assert [layer.gates for layer in trace.layers] == [4, 3, 1]
        assert (trace.dense_layers[0].output_size, trace.dense_layers[0].per) == (65, "token")
        assert trace.step(3).info["loss"] == 2.5
        assert trace.step(3).valid_steps.tolist() == [4, 2, 0]
        assert trace.step(120).valid_steps is None


def test_an_absent_mask_is_none(plain_path):
    with Trace(plain_path) as trace:
        record = trace.step(3).layers["lstm0"]
    assert isinstance(record, LayerRecord)
    assert record.hidden is None
    assert record.input is not None


def test_steps_are_ascending_whatever_their_order_in_the_header(tmp_path):
    header = HEADER | {"steps": HEADER["steps"][::-1]}
    with Trace(plain_trace.save(tmp_path / "run.npz", header, MEMBERS)) as trace:
        assert trace.steps == (3, 120)


def test_step_numbers_may_have_more_than_six_digits(tmp_path):
    path = synthetic_trace(
        tmp_path / "x.npz", input_size=2, hidden_size=2, sequence_length=2, batch_size=2, steps=[5, 1234567]
    )
    assert "steps/1234567/lstm0/gate_gradient" in plain_trace.load(path)[1]
    with Trace(path) as trace:
        assert trace.step(1234567).number == 1234567


def test_sha256_is_that_of_the_file(plain_path):
    with Trace(plain_path) as trace:
        assert trace.sha256 == hashlib.sha256(plain_path.read_bytes()).hexdigest()


def test_a_trace_that_is_replaced_while_open_stays_what_it_was(plain_path, tmp_path):
    digest = hashlib.sha256(plain_path.read_bytes()).hexdigest()
    with Trace(plain_path) as trace:
        other = plain_trace.save(tmp_path / "other", *plain_trace.small_trace(seed=9))
        other.replace(plain_path)
        assert trace.sha256 == digest
        packed = trace.step(3).layers["top"].gate_gradient.packed
    np.testing.assert_array_equal(packed, MEMBERS["steps/000003/top/gate_gradient"])


def test_masks_are_read_only(plain_path):
    with Trace(plain_path) as trace, pytest.raises(ValueError, match="read-only"):
        trace.step(3).layers["top"].gate_gradient.packed[0] = 1


def test_fortran_ordered_and_big_endian_members_read_as_the_same(tmp_path):
    name = "steps/000003/lstm0/gate_gradient_values"
    strange = {key: np.asfortranarray(value) for key, value in MEMBERS.items()}
    strange[name] = MEMBERS[name].astype(">f4")
    with (
        Trace(plain_trace.save(tmp_path / "a.npz", HEADER, MEMBERS)) as plain,
        Trace(plain_trace.save(tmp_path / "b.npz", HEADER, strange)) as other,
    ):
        for number in plain.steps:
            for layer, record in plain.step(number).layers.items():
                for tensor, value in record.tensors.items():
                    found = other.step(number).layers[layer].tensors[tensor]
                    if isinstance(value, np.ndarray):
                        assert found.dtype.isnative
                        np.testing.assert_array_equal(found, value)
                    else:
                        assert found.packed.flags.c_contiguous
                        assert found == value


def test_float16_values_and_no_values_at_all_are_read(tmp_path):
    name = "steps/000003/lstm0/gate_gradient_values"
    half = MEMBERS | {name: MEMBERS[name].astype(np.float16)}
    with Trace(plain_trace.save(tmp_path / "a.npz", HEADER, half)) as trace:
        assert trace.step(3).layers["lstm0"].values.dtype == np.float16
    empty = MEMBERS | {name: np.zeros(0, np.float32)}
    mask = "steps/000003/lstm0/gate_gradient"
    empty[mask] = np.zeros_like(MEMBERS[mask])
    with Trace(plain_trace.save(tmp_path / "b.npz", HEADER, empty)) as trace:
        assert trace.step(3).layers["lstm0"].values.shape == (0,)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_reads_as_null(tmp_path, number):
    text = json.dumps(HEADER).replace("2.5", number).encode()
    with Trace(plain_trace.save(tmp_path / "a.npz", text, MEMBERS)) as trace:
        assert trace.entry(3)["loss"] is None


def test_a_step_that_was_not_recorded_is_refused_by_number(plain_path):
    with Trace(plain_path) as trace, pytest.raises(InputError, match=r"no step 4; .* 3, 120"):
        trace.step(4)


def test_a_trace_opens_its_file_anew_in_another_process(plain_path):
    with Trace(plain_path) as trace, pickle.loads(pickle.dumps(trace)) as copy:
        assert copy.header == trace.header
        assert copy.step(3).layers["top"].gate_gradient == trace.step(3).layers["top"].gate_gradient


def test_a_damaged_step_does_not_hide_the_others(tmp_path):
    name = "steps/000120/top/gate_gradient"
    path = plain_trace.save(tmp_path / "a.npz", HEADER, MEMBERS | {name: MEMBERS[name] | np.uint8(128)})
    with Trace(path) as trace:
        assert trace.step(3).number == 3
        with pytest.raises(InputError, match=name):
            trace.step(120)


def test_importing_the_trace_format_loads_numpy_and_nothing_heavy():
    program = "import sys; from traces import Trace, TraceWriter; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    roots = {name.partition(".")[0] for name in loaded.split()}
    assert "numpy" in roots
    assert not roots & {
        "pandas",
        "matplotlib",
        "numba",
        "rich",
        "click",
        "pydantic",
        "yaml",
        "torch",
        "simulator",
    }
