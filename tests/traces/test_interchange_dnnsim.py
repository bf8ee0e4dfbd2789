"""Trace folders of DNNsim (TensorDash): import, export, round trips, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces import InputError, Layer, Trace, TraceWriter, synthetic_trace
from traces.dnnsim import LayerParameters, export_dnnsim, import_dnnsim, read_parameters
from traces.interchange import product_mask


def save(folder: Path, name: str, array: np.ndarray) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def sparse(shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.4, rng.standard_normal(shape), 0).astype(np.float32)


@pytest.fixture
def net(tmp_path):
    """Two fully connected layers over two epochs and two batches, as DNNsim lays them out."""
    folder = tmp_path / "net_traces" / "net"
    for epoch in (0, 1):
        for batch in (0, 3):
            seed = 100 * epoch + 10 * batch
            save(folder, f"input/fc6-{epoch}-{batch}-in.npy", sparse((5, 3, 2, 2), seed))
            save(folder, f"outGrad/fc6-{epoch}-{batch}-outGrad.npy", sparse((5, 7), seed + 1))
            save(folder, f"input/fc7-{epoch}-{batch}-in.npy", sparse((5, 7), seed + 2))
            save(folder, f"outGrad/fc7-{epoch}-{batch}-outGrad.npy", sparse((5, 4, 1, 1), seed + 3))
    (folder / "trace_params.csv").write_text("fc6,7,1,1,1,0\nfc7,fc6,4,1,1,1,0\n")
    return folder


def test_fully_connected_layers_become_linear_layers_of_one_time_step(net, tmp_path):
    with Trace(import_dnnsim(net, tmp_path / "t.npz")) as trace:
        assert trace.layers == (
            Layer("fc6", "linear", 12, 7, input_needs_gradient=False),
            Layer("fc7", "linear", 7, 4),
        )
        assert (trace.sequence_length, trace.batch_size) == (1, 5)
        assert trace.steps == (0, 3, 4, 7)
        assert trace.header["imported"] == {"from": "DNNsim", "network": "net"}
        for step, (epoch, batch) in zip(trace, [(0, 0), (0, 3), (1, 0), (1, 3)], strict=True):
            assert (step.info["epoch"], step.info["batch"]) == (epoch, batch)
            seed = 100 * epoch + 10 * batch
            fc6, fc7 = step.layers["fc6"], step.layers["fc7"]
            assert fc6.input is not None
            assert (fc6.input.unpack()[0] == (sparse((5, 3, 2, 2), seed) != 0).reshape(5, 12)).all()
            assert (fc6.gate_gradient.unpack()[0] == (sparse((5, 7), seed + 1) != 0)).all()
            assert (fc7.gate_gradient.unpack()[0] == (sparse((5, 4, 1, 1), seed + 3) != 0)[:, :, 0, 0]).all()


def test_some_layers_may_be_chosen_and_the_parameters_may_lie_elsewhere(net, tmp_path):
    model = tmp_path / "models" / "net"
    model.mkdir(parents=True)
    shutil.move(net / "trace_params.csv", model / "trace_params.csv")
    with Trace(import_dnnsim(net, tmp_path / "t.npz", layers=["fc7"])) as trace:
        assert [layer.name for layer in trace.layers] == ["fc7"]
    shutil.move(model / "trace_params.csv", tmp_path / "mine.csv")
    with Trace(import_dnnsim(net, tmp_path / "u.npz", parameters=tmp_path / "mine.csv")) as trace:
        assert len(trace.layers) == 2
    with pytest.raises(InputError, match=r"trace_params\.csv: found no such file"):
        import_dnnsim(net, tmp_path / "v.npz")


def test_the_first_layer_needs_a_gradient_where_its_folder_has_one(net, tmp_path):
    for epoch in (0, 1):
        for batch in (0, 3):
            save(net, f"outGrad/fc6-{epoch}-{batch}-inGrad.npy", np.ones((5, 12)))
    with Trace(import_dnnsim(net, tmp_path / "t.npz")) as trace:
        assert [layer.input_needs_gradient for layer in trace.layers] == [True, True]


@st.composite
def convolutions(draw):
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    size = tuple(draw(st.integers(max(1, k - 2 * padding), 6)) for k in kernel)
    return kernel, stride, padding, size, draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4))


@settings(max_examples=40)
@given(convolutions())
def test_a_convolution_becomes_the_product_that_it_is_lowered_to(tmp_path_factory, case):
    (kx, ky), stride, padding, (nx, ny), images, channels, filters = case
    folder = tmp_path_factory.mktemp("conv") / "net"
    ox, oy = (nx + 2 * padding - kx) // stride + 1, (ny + 2 * padding - ky) // stride + 1
    x, g = sparse((images, channels, nx, ny), 1), sparse((images, filters, ox, oy), 2)
    save(folder, "input/conv1-0-0-in.npy", x)
    save(folder, "outGrad/conv1-0-0-outGrad.npy", g)
    (folder / "trace_params.csv").write_text(f"conv1,{filters},{kx},{ky},{stride},{padding}\n")
    with Trace(import_dnnsim(folder, folder / "t.npz")) as trace:
        record = trace.step(0).layers["conv1"]
        assert trace.layers[0].input_size == kx * ky * channels
    assert record.input is not None
    inputs, gradient = record.input.unpack(), record.gate_gradient.unpack()
    assert inputs.shape == (ox * oy, images, kx * ky * channels)
    for i in range(ox):
        for j in range(oy):
            assert (gradient[i * oy + j] == (g[:, :, i, j] != 0)).all()
            seen = []
            for b in range(ky):
                for a in range(kx):
                    u, v = stride * i + a - padding, stride * j + b - padding
                    inside = 0 <= u < nx and 0 <= v < ny
                    seen.append(x[:, :, u, v] if inside else np.zeros((images, channels)))
            assert (inputs[i * oy + j] == (np.concatenate(seen, axis=1) != 0)).all()


@settings(max_examples=25)
@given(
    kind=st.sampled_from(["lstm", "gru", "linear"]),
    name=st.sampled_from(["lstm0", "fc1", "cell", "decoder"]),
    recurrent=st.booleans(),
    with_input=st.booleans(),
    needs=st.booleans(),
    seed=st.integers(0, 99),
)
def test_import_of_an_export_gives_the_same_operands(tmp_path_factory, kind, name, recurrent, with_input, needs, seed):
    recurrent = recurrent and kind != "linear"
    folder = tmp_path_factory.mktemp("trip")
    path = synthetic_trace(
        folder / "run.npz",
        layers=[Layer(name, kind, 6, 5, input_needs_gradient=needs)],
        sequence_length=4,
        batch_size=3,
        input_sparsity=0.4 if with_input else None,
        hidden_sparsity=0.3,
        steps=[0, 12],
        valid_steps=[4, 1, 3],
        seed=seed,
    )
    product = "dU" if recurrent else "dW"
    if name == "decoder":
        # No prefix makes DNNsim take that name for a fully connected layer's.
        with Trace(path) as run, pytest.raises(InputError, match="'decoder'"):
            export_dnnsim(run, 0, name, product, folder / "net")
        return
    with Trace(path) as run:
        for step in run.steps:
            export_dnnsim(run, step, name, product, folder / "net")
        there = "fc1" if name == "fc1" else f"fc_{name}"
        assert read_parameters(folder / "net" / "trace_params.csv") == [
            LayerParameters(there, "fc", run.layers[0].gate_bits, 1, 1, 1, 0)
        ]
        with Trace(import_dnnsim(folder / "net", folder / "again.npz")) as again:
            assert again.steps == run.steps
            assert again.layers[0].input_needs_gradient == needs
            for step in run.steps:
                expected = product_mask(run, step, name, product)
                assert (product_mask(again, step, there, "dW") == expected).all()
                inputs = product_mask(again, step, there, "y")
                if recurrent:
                    assert (inputs == product_mask(run, step, name, "gates_h")).all()
                elif with_input:
                    assert (inputs == product_mask(run, step, name, "y" if kind == "linear" else "gates_x")).all()
                else:
                    assert inputs.all()


def test_epochs_and_batches_and_several_layers_make_the_round_trip(net, tmp_path):
    with Trace(import_dnnsim(net, tmp_path / "t.npz")) as first:
        for step in first.steps:
            for layer in ("fc6", "fc7"):
                export_dnnsim(first, step, layer, "dx", tmp_path / "net")
        names = sorted(path.name for path in (tmp_path / "net" / "outGrad").iterdir())
        assert "fc6-1-3-outGrad.npy" in names
        assert "fc6-1-3-inGrad.npy" not in names
        again = import_dnnsim(tmp_path / "net", tmp_path / "again.npz")
        assert again.read_bytes() == (tmp_path / "t.npz").read_bytes()
    weights = np.load(tmp_path / "net" / "weights" / "fc6-0-0-w.npy")
    assert weights.dtype == np.float32
    assert weights.shape == (7, 12)
    assert weights.all()


def test_exporting_another_layer_keeps_what_the_folder_has(net, tmp_path):
    with Trace(import_dnnsim(net, tmp_path / "t.npz")) as trace:
        export_dnnsim(trace, 0, "fc7", "dW", net)
    assert [layer.name for layer in read_parameters(net / "trace_params.csv")] == ["fc6", "fc7"]
    with Trace(import_dnnsim(net, tmp_path / "u.npz")) as again:
        assert len(again.layers) == 2


def conv_net(folder: Path, **weights: tuple[int, ...]) -> None:
    save(folder, "input/conv1-0-0-in.npy", np.ones((2, 4, 5, 5)))
    save(folder, "outGrad/conv1-0-0-outGrad.npy", np.ones((2, 3, 3, 3)))
    (folder / "trace_params.csv").write_text("conv1,3,3,3,1,0\n")
    for shape in weights.values():
        save(folder, "weights/conv1-0-0-w.npy", np.ones(shape))


def test_a_grouped_convolution_is_refused_and_a_plain_one_is_not(tmp_path):
    conv_net(tmp_path / "net", weights=(3, 4, 3, 3))
    import_dnnsim(tmp_path / "net", tmp_path / "t.npz")
    conv_net(tmp_path / "net", weights=(3, 2, 3, 3))
    with pytest.raises(InputError, match=r"weights of shape \(3, 2, 3, 3\) for 4 channels.*grouped"):
        import_dnnsim(tmp_path / "net", tmp_path / "u.npz")


def test_layers_of_different_rows_do_not_fit_one_trace(net, tmp_path):
    conv_net(tmp_path / "conv")
    for part in ("input", "outGrad"):
        for path in (tmp_path / "conv" / part).iterdir():
            shutil.copy(path, net / part)
    (net / "trace_params.csv").write_text("conv1,3,3,3,1,0\nfc7,fc6,4,1,1,1,0\n")
    for epoch, batch in ((0, 3), (1, 0), (1, 3)):
        (net / "outGrad" / f"fc7-{epoch}-{batch}-outGrad.npy").unlink()
    with pytest.raises(InputError, match=r"\(1, 5\) output places and images, where conv1 has \(9, 2\).*--layer"):
        import_dnnsim(net, tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no layer"),
        ("\n \n", "no layer"),
        ("fc6,7,1,1,1\n", r"csv:1: found 5 fields"),
        ("fc6,7,1,1,1,0\nfc7,fc6,4,1,1,1,0,9\n", r"csv:2: found 8 fields"),
        ("fc6,seven,1,1,1,0\n", "csv:1: found seven,1,1,1,0"),
        ("fc6,7,0,1,1,0\n", "csv:1: found 7,0,1,1,0"),
        ("fc6,-7,1,1,1,0\n", "csv:1: found -7,1,1,1,0"),
        ("fc6,7,1,1,1,0\nfc6,7,1,1,1,0\n", "'fc6' a second time"),
        ("Layer,Nn,Kx,Ky,stride,padding\n", "csv:1: found Nn,Kx,Ky,stride,padding"),
        ("lstm1,7,1,1,1,0\n", "'lstm1', of the kind lstm"),
        ("fc6,7,1,1,1,0\nencoder_1,7,1,1,1,0\n", "of the kind encoder.*--layer: fc6"),
        ("decoder_fc,7,1,1,1,0\n", "of the kind decoder"),
        ("fc9,7,1,1,1,0\n", "no output gradient of the chosen layers"),
        ("fc6,8,1,1,1,0\n", r"shape \(5, 7, 1, 1\); expected \(images, 8\)"),
        ("conv6,7,3,3,1,1\n", "no output gradient of the chosen layers"),
    ],
)
def test_wrong_layer_parameters_are_refused(net, tmp_path, text, message):
    (net / "trace_params.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        import_dnnsim(net, tmp_path / "t.npz")
    assert not (tmp_path / "t.npz").exists()


def test_layer_parameters_that_are_no_text_or_too_long_are_refused(net, tmp_path):
    (net / "trace_params.csv").write_bytes(b"fc6\xff,7,1,1,1,0\n")
    with pytest.raises(InputError, match="not UTF-8 at offset 3"):
        import_dnnsim(net, tmp_path / "t.npz")
    (net / "trace_params.csv").write_bytes(b"\n" * (2**20 + 1))
    with pytest.raises(InputError, match="1048577 bytes"):
        import_dnnsim(net, tmp_path / "t.npz")


def remove(name):
    return lambda net: (net / name).unlink()


def replace(name, array):
    return lambda net: np.save(net / name, array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("input/fc7-1-0-in.npy"), r"fc7-1-0-in\.npy: found no such file"),
        (remove("outGrad/fc7-1-0-outGrad.npy"), r"fc7-1-0-outGrad\.npy: found no such file"),
        (replace("input/fc7-1-0-in.npy", np.ones((4, 7))), r"shape \(4, 7\); expected \(5, C\)"),
        (replace("input/fc7-1-0-in.npy", np.ones((5, 7, 1))), r"shape \(5, 7, 1\)"),
        (replace("input/fc7-1-0-in.npy", np.ones((5, 8))), "8 inputs and 4 outputs; expected 7 and 4, as before"),
        (replace("input/fc7-1-0-in.npy", np.array("x")), "dtype <U1"),
        (replace("input/fc7-1-0-in.npy", np.ones((5, 0))), r"an array of shape \(5, 0\)"),
        (replace("outGrad/fc7-1-0-outGrad.npy", np.ones((5, 4, 2, 2))), r"shape \(5, 4, 2, 2\); expected \(5, 4\)"),
        (replace("outGrad/fc7-1-0-outGrad.npy", np.ones(5)), r"shape \(5,\)"),
        (lambda net: (net / "input/fc7-1-0-in.npy").write_bytes(b"nothing"), "not in the .npy format"),
        (lambda net: shutil.rmtree(net / "outGrad"), "outGrad: found a folder that cannot be read"),
    ],
)
def test_a_damaged_folder_is_refused(net, tmp_path, change, message):
    change(net)
    with pytest.raises(InputError, match=message):
        import_dnnsim(net, tmp_path / "t.npz")
    assert not (tmp_path / "t.npz").exists()


def test_a_convolution_whose_sizes_do_not_meet_is_refused(tmp_path):
    conv_net(tmp_path / "net")
    (tmp_path / "net" / "trace_params.csv").write_text("conv1,3,3,3,2,0\n")
    with pytest.raises(InputError, match="which gives 2 x 2 output places; expected 3 x 3"):
        import_dnnsim(tmp_path / "net", tmp_path / "t.npz")


def test_unknown_layers_and_folders_are_refused(net, tmp_path):
    with pytest.raises(InputError, match=r"no layer 'fc8'; expected one of fc6, fc7 \(hint: did you mean"):
        import_dnnsim(net, tmp_path / "t.npz", layers=["fc8"])
    with pytest.raises(InputError, match="no such folder"):
        import_dnnsim(tmp_path / "nowhere", tmp_path / "t.npz")


def test_an_export_that_cannot_be_is_refused(net, tmp_path):
    with Trace(import_dnnsim(net, tmp_path / "t.npz")) as trace:
        for asked, message in (
            ((5, "fc6", "dW"), "no step 5"),
            ((0, "fc9", "dW"), "no recorded layer 'fc9'"),
            ((0, "fc6", "gates_x"), "no product 'gates_x'"),
            ((0, "fc6", "dU"), "no product 'dU'"),
        ):
            with pytest.raises(InputError, match=message):
                export_dnnsim(trace, *asked, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(InputError, match="a folder that cannot be made"):
            export_dnnsim(trace, 0, "fc6", "dW", tmp_path / "file")


def test_an_entry_with_strange_file_numbers_is_exported_as_any_other(tmp_path):
    header = {"layers": [Layer("fc0", "linear", 2, 3)], "batch_size": 1, "sequence_length": 1}
    mask = np.ones((1, 1, 3), np.bool_)
    with TraceWriter(tmp_path / "t.npz", header, checkpoint_every_seconds=None) as writer:
        writer.add_step(4, {"fc0": {"gate_gradient": mask}}, epoch="../..", batch=True)
    with Trace(tmp_path / "t.npz") as trace:
        export_dnnsim(trace, 4, "fc0", "dW", tmp_path / "net")
    assert (tmp_path / "net" / "outGrad" / "fc0-0-4-outGrad.npy").is_file()
