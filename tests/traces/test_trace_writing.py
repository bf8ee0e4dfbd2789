from __future__ import annotations

import inspect
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from plain import plain_trace

from traces import (
    BitMask,
    DenseLayer,
    InputError,
    Layer,
    Trace,
    TraceWriter,
    archive,
    writer,
)

T, B = 3, 2
LAYER = Layer("a", "gru", 3, 5)
HEADER = {"layers": [LAYER], "batch_size": B, "sequence_length": T, "task": "test"}


def tensors(number):
    rng = np.random.default_rng(number)
    return {"a": {"gate_gradient": rng.random((T, B, 15)) < 0.3, "input": rng.random((T, B, 3)) < 0.5}}


def record(path, numbers, **options):
    with TraceWriter(path, HEADER, **options) as recording:
        for number in numbers:
            recording.add_step(number, tensors(number), loss=number / 7)
    return path


def hidden_files(folder):
    return [file.name for file in folder.iterdir() if file.name.startswith(".")]


def assert_holds(path, numbers):
    with Trace(path) as trace:
        assert list(trace.steps) == list(numbers)
        for step in trace:
            expected = tensors(step.number)["a"]
            np.testing.assert_array_equal(step.layers["a"].gate_gradient.unpack(), expected["gate_gradient"])
            np.testing.assert_array_equal(step.layers["a"].input.unpack(), expected["input"])
            assert step.info["loss"] == step.number / 7


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.data())
def test_what_is_written_reads_back_and_reads_the_same_with_plain_numpy(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("written") / "x.npz"
    sizes = st.integers(1, 9)
    T, B, D, H = (data.draw(sizes) for _ in range(4))
    layer = Layer("layer é [0]", data.draw(st.sampled_from(["lstm", "gru", "rnn", "linear"])), D, H)
    given_tensors = {"gate_gradient": data.draw(hnp.arrays(np.bool_, (T, B, layer.gate_bits)))}
    for name, bits in list(layer.mask_bits.items())[1:]:
        if data.draw(st.booleans()):
            given_tensors[name] = data.draw(hnp.arrays(np.bool_, (T, B, bits)))
    nonzeros = int(given_tensors["gate_gradient"].sum())
    dtype = data.draw(st.sampled_from([np.float16, np.float32]))
    values = np.linspace(-1, 1, nonzeros, dtype=dtype) if data.draw(st.booleans()) else None
    header = {"layers": [layer], "batch_size": B, "sequence_length": T}
    with TraceWriter(path, header) as recording:
        recording.add_step(1_000_000, {layer.name: given_tensors | {"gate_gradient_values": values}})

    with Trace(path) as trace:
        assert trace.layers == (layer,)
        found = trace.step(1_000_000).layers[layer.name]
    for name in layer.mask_bits:
        expected = BitMask.pack(given_tensors[name]) if name in given_tensors else None
        assert getattr(found, name) == expected
    if values is None:
        assert found.values is None
    else:
        assert found.values.dtype == dtype
        np.testing.assert_array_equal(found.values, values)

    plain_header, members = plain_trace.load(path)
    assert plain_header["steps"][0]["step"] == 1_000_000
    for name, mask in given_tensors.items():
        packed = members[f"steps/1000000/{layer.name}/{name}"]
        np.testing.assert_array_equal(packed, plain_trace.pack(mask))


def test_created_by_and_sparsity_are_filled_in_unless_given(tmp_path):
    with TraceWriter(tmp_path / "x.npz", HEADER | {"created_by": {"torch": "2.9"}}) as recording:
        recording.add_step(0, tensors(0))
        recording.add_step(1, tensors(1), sparsity={"a": {"r": 0.5}})
    with Trace(tmp_path / "x.npz") as trace:
        assert set(trace.header["created_by"]) == {"skipstone", "numpy", "python", "torch"}
        mask = tensors(0)["a"]["gate_gradient"]
        assert trace.entry(0)["sparsity"]["a"]["z"] == pytest.approx(1 - mask[:, :, 5:10].mean())
        assert trace.entry(1)["sparsity"] == {"a": {"r": 0.5}}


def test_numpy_values_in_the_header_become_json_and_nan_becomes_null(tmp_path):
    header = HEADER | {
        "batch_size": np.int64(B),
        "dense_layers": (DenseLayer("d", 1, 2),),
        "seed": np.uint8(3),
    }
    with TraceWriter(tmp_path / "x.npz", header) as recording:
        recording.add_step(
            np.int32(4), tensors(4), loss=np.float32("nan"), valid_steps=np.full(B, T), extra=np.arange(2)
        )
    with Trace(tmp_path / "x.npz") as trace:
        assert trace.header["seed"] == 3
        assert trace.entry(4)["loss"] is None
        assert trace.entry(4)["extra"] == [0, 1]
        assert trace.step(4).valid_steps.tolist() == [T] * B


def test_the_curve_stays_aligned_and_survives_resumption(tmp_path):
    path = tmp_path / "x.npz"
    with TraceWriter(path, HEADER) as recording:
        recording.set_curve({"step": [0], "train_loss": [np.float32(4)]})
        recording.append_curve(step=50, train_loss=3.0, valid_loss=3.5)
    with TraceWriter.resume(path) as recording:
        recording.append_curve(step=100, valid_loss=float("inf"))
        recording.update_header(test_loss=2.5)
    with Trace(path) as trace:
        assert trace.curve == {
            "step": [0, 50, 100],
            "train_loss": [4.0, 3.0, None],
            "valid_loss": [None, 3.5, None],
        }
        assert trace.header["test_loss"] == 2.5


def test_a_key_that_describes_shapes_cannot_be_changed(tmp_path):
    with TraceWriter(tmp_path / "x.npz", HEADER) as recording, pytest.raises(InputError, match="batch_size"):
        recording.update_header(batch_size=3)


def test_same_content_gives_the_same_bytes_whatever_checkpoints_and_resumptions(tmp_path):
    expected = record(tmp_path / "a.npz", range(6)).read_bytes()
    assert record(tmp_path / "b.npz", range(6), checkpoint_every_seconds=0).read_bytes() == expected
    path = record(tmp_path / "c.npz", range(2))
    for end in (3, 6):
        with TraceWriter.resume(path) as recording:
            for number in range(len(recording.steps), end):
                recording.add_step(number, tensors(number), loss=number / 7)
                recording.checkpoint()
    assert path.read_bytes() == expected
    assert hidden_files(tmp_path) == []


def test_no_clock_is_in_the_file(tmp_path):
    with zipfile.ZipFile(record(tmp_path / "a.npz", range(2))) as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_DEFLATED}


def test_resuming_a_trace_of_plain_numpy_keeps_its_members_bit_for_bit(tmp_path):
    header, members = plain_trace.small_trace()
    path = plain_trace.save(tmp_path / "run.npz", header, members, compressed=False)
    new = {"lstm0": {"gate_gradient": np.zeros((4, 3, 20), np.bool_)}}
    new["gru0"] = {"gate_gradient": np.ones((4, 3, 24), np.bool_)}
    new["top"] = {"gate_gradient": BitMask.ones(4, 3, 3)}
    with TraceWriter.resume(path) as recording:
        assert recording.steps == (3, 120)
        recording.add_step(60, new)
    found, found_members = plain_trace.load(path)
    assert found["unknown"] == header["unknown"]
    assert [entry["step"] for entry in found["steps"]] == [3, 60, 120]
    for name, array in members.items():
        np.testing.assert_array_equal(found_members[name], array)
    with zipfile.ZipFile(path) as file:
        assert file.getinfo("steps/000003/top/gate_gradient.npy").compress_type == zipfile.ZIP_STORED
    with Trace(path) as trace:
        assert [step.number for step in trace] == [3, 60, 120]


def test_resuming_a_missing_or_damaged_trace_is_refused_and_leaves_it_alone(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        TraceWriter.resume(tmp_path / "x.npz")
    path = plain_trace.save(tmp_path / "run.npz", *plain_trace.small_trace(), compressed=False)
    raw = bytearray(path.read_bytes())
    raw[300] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="CRC"):
        TraceWriter.resume(path)
    assert path.read_bytes() == raw
    assert hidden_files(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_complete_steps(tmp_path, error):
    path = tmp_path / "x.npz"

    def interrupted():
        with TraceWriter(path, HEADER) as recording:
            for number in range(3):
                recording.add_step(number, tensors(number), loss=number / 7)
            raise error

    with pytest.raises(error):
        interrupted()
    assert_holds(path, range(3))
    assert hidden_files(tmp_path) == []


def test_an_interrupt_within_a_step_leaves_every_step_before_it(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    calls = 0

    def interrupted_append(file, member, data, offset):
        nonlocal calls
        calls += 1
        if calls == 6:  # the second tensor of step 2, half written
            file.write(b"PK\x03\x04" + data + bytes(20_000))
            raise KeyboardInterrupt
        return archive.append(file, member, data, offset)

    monkeypatch.setattr(writer, "append", interrupted_append)
    with pytest.raises(KeyboardInterrupt):
        record(path, range(5))
    assert_holds(path, range(2))
    assert path.read_bytes() == record(tmp_path / "y.npz", range(2)).read_bytes()


def test_an_exception_before_the_first_step_leaves_the_former_trace(tmp_path):
    path = record(tmp_path / "x.npz", range(2))
    before = path.read_bytes()

    def failing(make):
        with make():
            raise RuntimeError

    for make in (lambda: TraceWriter(path, HEADER), lambda: TraceWriter.resume(path)):
        with pytest.raises(RuntimeError):
            failing(make)
        assert path.read_bytes() == before
        assert hidden_files(tmp_path) == []


def test_a_former_trace_stays_until_the_first_checkpoint(tmp_path):
    path = record(tmp_path / "x.npz", range(2))
    with TraceWriter(path, HEADER, checkpoint_every_seconds=None) as recording:
        recording.add_step(9, tensors(9), loss=9 / 7)
        assert_holds(path, range(2))
        recording.checkpoint()
        assert_holds(path, [9])
        recording.add_step(10, tensors(10), loss=10 / 7)
        assert_holds(path, [9])
    assert_holds(path, [9, 10])


def test_a_recording_without_steps_is_a_trace_without_steps(tmp_path):
    with Trace(record(tmp_path / "x.npz", [])) as trace:
        assert list(trace) == []


def test_two_recordings_of_one_file_at_once_are_refused(tmp_path):
    with TraceWriter(tmp_path / "x.npz", HEADER), pytest.raises(InputError, match="another recording"):
        TraceWriter(tmp_path / "x.npz", HEADER)


def test_a_closed_writer_refuses_more(tmp_path):
    recording = TraceWriter(tmp_path / "x.npz", HEADER)
    recording.close()
    recording.close()
    with pytest.raises(ValueError, match="closed"):
        recording.add_step(0, tensors(0))


@pytest.mark.parametrize("name", [".", "nowhere/x.npz", "x" * 300 + ".npz"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"a directory|cannot be written"):
        TraceWriter(tmp_path / name, HEADER)


@pytest.mark.parametrize("place", ["append", "directory", "fsync"])
def test_a_full_disk_is_told_in_one_message_and_leaves_the_last_checkpoint(tmp_path, monkeypatch, place):
    path = tmp_path / "x.npz"

    def full(*_):
        raise OSError(28, "No space left on device")

    recording = TraceWriter(path, HEADER)
    recording.add_step(0, tensors(0), loss=0.0)
    recording.checkpoint()
    recording.add_step(1, tensors(1), loss=1 / 7)
    monkeypatch.setattr(os if place == "fsync" else writer, place, full)
    with pytest.raises(InputError, match="No space left on device"):
        recording.close()
    monkeypatch.undo()
    assert_holds(path, [0])
    record(path, range(3))
    assert_holds(path, range(3))
    assert hidden_files(tmp_path) == []


def test_timed_checkpoints_are_spaced_by_time_and_by_their_own_duration(tmp_path, monkeypatch):
    clock = 0.0
    saved = []

    def tick():
        return clock

    monkeypatch.setattr(writer.time, "monotonic", tick)
    replace = TraceWriter._replace

    def slow_replace(self, finished):
        nonlocal clock
        clock += 5.0
        saved.append(len(self.steps))
        replace(self, finished)

    monkeypatch.setattr(TraceWriter, "_replace", slow_replace)
    with TraceWriter(tmp_path / "x.npz", HEADER, checkpoint_every_seconds=10.0) as recording:
        for number in range(300):
            clock += 1.0
            recording.add_step(number, tensors(number))
    # The first after 10 s; as it took 5 s, the next ones only 20 x 5 s after it.
    assert saved == [10, 110, 210, 300]


def test_an_array_changed_after_its_step_was_added_is_recorded_as_it_was(tmp_path):
    masks = {number: BitMask.pack(tensors(number)["a"]["gate_gradient"]) for number in range(3)}
    writable = np.empty_like(masks[0].packed)
    with TraceWriter(tmp_path / "x.npz", HEADER) as recording:
        for number, mask in masks.items():
            writable[...] = mask.packed
            values = np.arange(mask.count(), dtype=np.float32)
            step = {"gate_gradient": BitMask(writable, mask.bits), "gate_gradient_values": values}
            recording.add_step(number, {"a": step})
            writable[...], values[...] = 0, -1
    with Trace(tmp_path / "x.npz") as trace:
        for number, mask in masks.items():
            record = trace.step(number).layers["a"]
            assert record.gate_gradient == mask
            assert record.values.tolist() == list(range(mask.count()))


def test_a_step_that_cannot_be_written_is_told_and_given_up(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"

    def full(*_):
        raise OSError(28, "No space left on device")

    with TraceWriter(path, HEADER) as recording:
        for number in range(2):
            recording.add_step(number, tensors(number), loss=number / 7)
        recording.checkpoint()
        recording.add_step(2, tensors(2), loss=2 / 7)
        with monkeypatch.context() as patch:
            patch.setattr(writer, "append", full)
            with pytest.raises(InputError, match="No space left on device"):
                recording.add_step(3, tensors(3), loss=3 / 7)
        assert recording.steps == (0, 1, 2)
        recording.add_step(4, tensors(4), loss=4 / 7)
    assert_holds(path, [0, 1, 2, 4])


def test_a_step_that_cannot_be_compressed_is_told_and_the_others_are_kept(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    encode = archive.encode

    def failing(name, *arguments, **options):
        if name.startswith("steps/000001"):
            raise MemoryError
        return encode(name, *arguments, **options)

    monkeypatch.setattr(writer, "encode", failing)
    with TraceWriter(path, HEADER) as recording:
        recording.add_step(0, tensors(0), loss=0.0)
        with pytest.raises(MemoryError):
            recording.add_step(1, tensors(1), loss=1 / 7)
        assert recording.steps == (0,)
        recording.add_step(2, tensors(2), loss=2 / 7)
    assert_holds(path, [0, 2])
    assert hidden_files(tmp_path) == []


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
import numpy as np
from traces import Layer, TraceWriter, writer

T, B = 3, 2
header = {"layers": [Layer("a", "gru", 3, 5)], "batch_size": B, "sequence_length": T}
calls = fatal = 0

def deadly(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == fatal:
            if function is append:  # half of a member reaches the disk
                file, member, data, offset = arguments
                file.write(data[: len(data) // 2])
                file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

append = writer.append
writer.append, writer.directory = deadly(append), deadly(writer.directory)
writer.sync_folder, os.fsync = deadly(writer.sync_folder), deadly(os.fsync)
Path.replace, shutil.copyfileobj = deadly(Path.replace), deadly(shutil.copyfileobj)

for fatal in range(1, int(sys.argv[2]) + 1):
    folder = Path(sys.argv[1]) / str(fatal)
    folder.mkdir()
    if os.fork() == 0:
        with TraceWriter(folder / "x.npz", header, checkpoint_every_seconds=None) as recording:
            for number in range(4):
                recording.add_step(number, tensors(number), loss=number / 7)
                if number % 2:
                    recording.checkpoint()
                    (folder / "checkpoint").write_text(str(number + 1))
        (folder / "done").touch()
        os._exit(0)
    os.wait()
"""


def test_a_kill_at_any_moment_leaves_the_last_checkpoint(tmp_path):
    # Every call that changes the disk is a moment to die at: 8 members, 2 checkpoints of 7 calls, 6 calls at
    # the end; the 29th never comes.
    program = inspect.getsource(tensors) + KILLED
    subprocess.run([sys.executable, "-c", program, str(tmp_path), "29"], check=True)
    for fatal in range(1, 30):
        folder = tmp_path / str(fatal)
        assert (folder / "done").exists() == (fatal == 29)
        path = folder / "x.npz"
        steps = 0
        if path.exists():
            with Trace(path) as trace:
                steps = len(trace)
            assert_holds(path, range(steps))
        assert steps in (0, 2, 4)
        checkpoint = folder / "checkpoint"
        assert steps >= (int(checkpoint.read_text()) if checkpoint.exists() else 0)
        assert set(hidden_files(folder)) <= {".x.npz.partial", ".x.npz.checkpoint"}
        record(path, range(5))
        assert_holds(path, range(5))
        assert hidden_files(folder) == []
