"""How long the training was: a trace may say it, and must not contradict its own steps."""

from __future__ import annotations

import numpy as np
import pytest
from plain import plain_trace

from traces import InputError, Layer, Trace, TraceWriter

HEADER = {"layers": [Layer("a", "lstm", 3, 2)], "batch_size": 2, "sequence_length": 4}
TENSORS = {"a": {"gate_gradient": np.zeros((4, 2, 8), np.bool_)}}


@pytest.mark.parametrize(
    "training",
    [
        None,
        {},
        {"total_steps": 7},
        {"total_steps": None, "steps_per_epoch": 3},
        {"total_steps": 2000, "steps_per_epoch": 61, "note": "other keys are kept"},
    ],
)
def test_what_is_stated_is_read_back(tmp_path, training):
    with TraceWriter(tmp_path / "x.npz", HEADER | {"training": training}) as writer:
        writer.add_step(7, TENSORS)
    with Trace(tmp_path / "x.npz") as trace:
        assert trace.training == training


def test_a_trace_without_a_length_is_as_good_as_before(tmp_path):
    with TraceWriter(tmp_path / "x.npz", HEADER) as writer:
        writer.add_step(7, TENSORS)
    with Trace(tmp_path / "x.npz") as trace:
        assert trace.training is None


def test_a_file_whose_steps_go_beyond_its_length_is_refused(tmp_path):
    header, members = plain_trace.small_trace()
    last = max(entry["step"] for entry in header["steps"])
    for total, refused in ((last - 1, True), (last, False)):
        path = tmp_path / f"{total}.npz"
        plain_trace.save(path, header | {"training": {"total_steps": total}}, members)
        if refused:
            with pytest.raises(InputError, match=rf"training\.total_steps: found {total}, but step {last} is recorded"):
                Trace(path)
        else:
            Trace(path).close()


def test_a_step_beyond_the_length_is_refused_before_anything_of_it_is_recorded(tmp_path):
    with TraceWriter(tmp_path / "x.npz", HEADER | {"training": {"total_steps": 7}}) as writer:
        writer.add_step(7, TENSORS)
        with pytest.raises(InputError, match="but step 8 is recorded; expected at least 8"):
            writer.add_step(8, TENSORS)
        with pytest.raises(InputError, match="but step 7 is recorded"):
            writer.update_header(training={"total_steps": 6})
        writer.update_header(training={"total_steps": 9})
        writer.add_step(9, TENSORS)
    with Trace(tmp_path / "x.npz") as trace:
        assert trace.steps == (7, 9)
        assert trace.training == {"total_steps": 9}
