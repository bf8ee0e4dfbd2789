"""Traces of PyTorch models: what is in them equals what a hook on a plain model sees, whatever the loop does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from traces.errors import InputError  # noqa: E402
from traces.thresholds import Policy  # noqa: E402
from traces.torch_frontend import record, sparsify  # noqa: E402
from traces.trace import Trace  # noqa: E402

POLICY = {"kind": "fixed", "threshold": 1e-3}
T, B, V, H = 6, 4, 7, 5


class LanguageModel(nn.Module):
    def __init__(self, cell=nn.LSTM, **options):
        super().__init__()
        self.rnn = cell(V, H, **options)
        self.classifier = nn.Linear(H * (1 + self.rnn.bidirectional), V)

    def forward(self, x):
        return self.classifier(self.rnn(x)[0])


def train(model, optimizer, steps, recorder=None, length=T, batch=B, seed=0):
    torch.manual_seed(seed)
    for _ in range(steps):
        x = nn.functional.one_hot(torch.randint(V, (length, batch)), V).float()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), torch.randint(V, (length * batch,)))
        loss.backward()
        if recorder is not None:
            recorder.loss(loss)
        optimizer.step()


def made(cell=nn.LSTM, policy=POLICY, **options):
    torch.manual_seed(1)
    model = sparsify(LanguageModel(cell, **options), policy)
    return model, torch.optim.Adam(model.parameters(), 0.01)


@pytest.mark.parametrize("known", [True, False])
def test_the_steps_asked_for_are_recorded_with_loss_shapes_and_dense_layers(tmp_path, known):
    model, optimizer = made(num_layers=2)
    with record(model, tmp_path / "t.npz", every=3, optimizer=optimizer if known else None, task="toy") as recorder:
        train(model, optimizer, 7, recorder)
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.steps == (1, 3, 6)
        assert (trace.sequence_length, trace.batch_size) == (T, B)
        assert [(layer.name, layer.kind, layer.input_needs_gradient) for layer in trace.layers] == [
            ("rnn.0", "lstm", False),
            ("rnn.1", "lstm", True),
        ]
        assert [(d.name, d.input_size, d.output_size) for d in trace.dense_layers] == [("classifier", H, V)]
        assert trace.policy == POLICY
        assert trace.header["task"] == "toy"
        assert trace.header["precision"] == "float32"
        assert trace.curve["step"] == [1, 3, 6]
        for step in trace:
            assert 1.5 < step.info["loss"] < 2.5
            assert step.valid_steps is None
            assert "layer_valid_steps" not in step.info
            assert (step.layers["rnn.0"].input.unpack().sum(axis=2) == 1).all()  # one-hot
            assert step.layers["rnn.1"].input is None
            assert step.layers["rnn.0"].hidden.count() == (T - 1) * B * H  # h before the first time step is zero


def plain_gradients(model, x, targets):
    """Linear gate gradients [T, B, 4H] of a one-layer model, in PyTorch's order, by a loop of hooks."""
    grabbed = {}
    layer = model.rnn
    h = c = torch.zeros(x.shape[1], H)
    outs = []
    for t, x_t in enumerate(x):
        gates = x_t @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0

        def threshold(gradient, t=t):
            grabbed[t] = gradient * (gradient.abs() > POLICY["threshold"])
            return grabbed[t]

        gates.register_hook(threshold)
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outs.append(h)
    nn.functional.cross_entropy(model.classifier(torch.stack(outs)).flatten(0, 1), targets).backward()
    return torch.stack([grabbed[t] for t in range(len(x))])


def test_the_mask_is_that_of_a_plain_loops_gradient_in_the_traces_gate_order(tmp_path):
    model, optimizer = made()
    x, targets = torch.randn(T, B, V), torch.randint(V, (T * B,))
    expected = plain_gradients(model, x, targets)
    i, f, g, o = expected.chunk(4, 2)
    model.zero_grad()
    with record(model, tmp_path / "t.npz", values=True):
        nn.functional.cross_entropy(model(x).flatten(0, 1), targets).backward()
    with Trace(tmp_path / "t.npz") as trace:
        found = trace.step(1).layers["rnn.0"]
    ordered = torch.cat([i, f, o, g], 2).numpy()
    assert 0.02 < (ordered == 0).mean() < 0.98
    assert np.array_equal(found.gate_gradient.unpack(), ordered != 0)
    np.testing.assert_allclose(found.values, ordered[ordered != 0], rtol=1e-4, atol=1e-8)
    del optimizer


def test_a_bidirectional_stack_is_two_layers_each_and_walks_backward(tmp_path):
    model, optimizer = made(nn.GRU, num_layers=2, bidirectional=True)
    with record(model, tmp_path / "t.npz", optimizer=optimizer):
        train(model, optimizer, 1)
    with Trace(tmp_path / "t.npz") as trace:
        assert [(layer.name, layer.direction, layer.input_size) for layer in trace.layers] == [
            ("rnn.0", "forward", V),
            ("rnn.0.reverse", "backward", V),
            ("rnn.1", "forward", 2 * H),
            ("rnn.1.reverse", "backward", 2 * H),
        ]
        assert trace.step(1).layers["rnn.0"].gate_gradient.shape == (T, B, 3 * H)


def test_packed_sequences_are_padded_in_the_users_order(tmp_path):
    lengths = [2, 5, 3]
    model = sparsify(nn.LSTM(V, H), None)
    x = torch.randn(5, 3, V)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    with record(model, tmp_path / "t.npz"):
        model(packed)[0].data.sum().backward()
    with Trace(tmp_path / "t.npz") as trace:
        step = trace.step(1)
    assert step.valid_steps.tolist() == lengths
    ones = step.layers["lstm.0"].gate_gradient.unpack().any(axis=2)
    assert np.array_equal(ones, np.arange(5)[:, None] < lengths)
    assert step.info["natural_zeros"]["lstm.0"]["padding"] == (15 - sum(lengths)) * 4 * H


class Translator(nn.Module):
    """An encoder over the source, a cell that decodes token by token."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(V, H, batch_first=True)
        self.decoder = nn.LSTMCell(V, H)
        self.out = nn.Linear(H, V)

    def forward(self, source, target):
        _, (h, c) = self.encoder(source)
        state = h[0], c[0]
        outs = []
        for token in target.unbind(1):
            state = self.decoder(token, state)
            outs.append(self.out(state[0]))
        return torch.stack(outs, 1)


def test_an_encoder_and_a_decoder_of_other_lengths_fit_one_trace(tmp_path):
    model = sparsify(Translator(), None)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    target_lengths = [2, 3]
    with record(model, tmp_path / "t.npz", every=1, optimizer=optimizer, sequence_length=8) as recorder:
        for source in (7, 5):
            y = model(torch.randn(2, source, V), torch.randn(2, 3, V))
            real = torch.arange(3) < torch.tensor(target_lengths)[:, None]
            recorder.valid_steps(target_lengths, "decoder")
            y[real].square().sum().backward()
            optimizer.step()
    with Trace(tmp_path / "t.npz") as trace:
        for step, source in zip(trace, (7, 5), strict=True):
            assert step.valid_steps_of("encoder.0").tolist() == [source] * 2
            assert step.valid_steps_of("decoder").tolist() == target_lengths
            assert step.valid_steps_of("out").tolist() == [3, 3]
            decoder = step.layers["decoder"].gate_gradient.unpack().any(axis=2)
            assert np.array_equal(decoder, np.arange(8)[:, None] < target_lengths)
            assert step.layers["encoder.0"].gate_gradient.unpack()[:source].any(axis=2).all()


@pytest.mark.parametrize("flattened", [True, False])
def test_told_lengths_hold_for_linear_and_dense_layers_too(tmp_path, flattened):
    lengths = [2, 5, 3]
    model = nn.ModuleDict({"rnn": nn.GRU(V, H), "middle": nn.Linear(H, H), "top": nn.Linear(H, V)})
    sparsify(model, None, linear=["middle"])
    with record(model, tmp_path / "t.npz", values=True) as recorder:
        recorder.valid_steps(lengths)
        h, _ = model["rnn"](torch.randn(5, 3, V))
        h = model["middle"](h.flatten(0, 1) if flattened else h)
        model["top"](h).square().mean().backward()  # the loss reads what is beyond, too
    with Trace(tmp_path / "t.npz") as trace:
        step = trace.step(1)
        assert step.valid_steps.tolist() == lengths
        assert "layer_valid_steps" not in step.info
        for name in ("rnn.0", "middle"):
            ones = step.layers[name].gate_gradient.unpack().any(axis=2)
            assert np.array_equal(ones, np.arange(5)[:, None] < lengths)


def test_a_smaller_batch_is_absent_work_and_a_larger_one_is_left_out_with_a_warning(tmp_path):
    model, optimizer = made()
    with record(model, tmp_path / "t.npz", every=1, optimizer=optimizer):
        train(model, optimizer, 1)
        train(model, optimizer, 1, batch=2, length=3)
        with pytest.warns(UserWarning, match="step 3 has 9 time steps x 4 sequences, the trace 6 x 4"):
            train(model, optimizer, 1, length=9)
        train(model, optimizer, 1)
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.steps == (1, 2, 4)
        assert trace.step(2).valid_steps.tolist() == [3, 3, 0, 0]


def test_accumulated_passes_follow_each_other_along_time_and_evaluations_are_not_seen(tmp_path):
    model, optimizer = made()
    x = torch.randn(T, B, V)
    with record(model, tmp_path / "t.npz", optimizer=optimizer):
        for _ in range(2):
            model(x).square().mean().backward()
            with torch.no_grad():
                model(torch.randn(50, B, V))
        optimizer.step()
    with Trace(tmp_path / "t.npz") as trace:
        mask = trace.step(1).layers["rnn.0"].gate_gradient.unpack()
    assert len(mask) == 2 * T
    assert np.array_equal(mask[:T], mask[T:])


def test_recording_changes_no_bit_of_training(tmp_path):
    results = []
    for recorded in (True, False):
        model, optimizer = made(nn.GRU, num_layers=2, dropout=0.3)
        if recorded:
            with record(model, tmp_path / "t.npz", every=1, optimizer=optimizer, total_steps=4):
                train(model, optimizer, 4)
        else:
            train(model, optimizer, 4)
        results.append([p.detach() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_a_complete_trace(tmp_path, error):
    model, optimizer = made()

    def interrupted():
        with record(model, tmp_path / "t.npz", every=1, optimizer=optimizer):
            train(model, optimizer, 2)
            raise error

    with pytest.raises(error):
        interrupted()
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.steps == (1, 2)
        assert trace.step(2).layers["rnn.0"].gate_gradient.count()
    train(model, optimizer, 1)  # nothing looks any more
    assert all(tap.observer is None for tap in model.rnn.taps)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.npz"]


def test_a_curve_and_facts_of_the_run_are_in_the_header(tmp_path):
    model, optimizer = made()
    about = {"corpus": {"name": "none"}, "seed": 3}
    with record(model, tmp_path / "t.npz", every=2, optimizer=optimizer, total_steps=4, about=about) as recorder:
        train(model, optimizer, 4, recorder)
        recorder.log(valid_loss=2.5)
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.header["training"] == {"total_steps": 4, "steps_per_epoch": None}
        assert trace.header["corpus"] == {"name": "none"}
        assert trace.header["optimizer"] == {"kind": "adam", "learning_rate": 0.01}
        assert trace.curve["step"] == [1, 2, 4]
        assert trace.curve["valid_loss"] == [None, None, 2.5]


def test_what_cannot_be_recorded_is_refused(tmp_path):
    with pytest.raises(InputError, match="not sparsified"):
        record(LanguageModel(), tmp_path / "t.npz")
    model, _ = made()
    with pytest.raises(InputError, match="every: found 0"):
        record(model, tmp_path / "t.npz", every=0)
    with pytest.raises(InputError, match="no recorded step"), record(model, tmp_path / "t.npz"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_checkpointing_is_recorded_once_or_refused(tmp_path):
    from torch.utils.checkpoint import checkpoint

    model, optimizer = made()
    x = torch.randn(T, B, V)
    with record(model, tmp_path / "t.npz", every=1, optimizer=optimizer):
        checkpoint(model, x, use_reentrant=False).square().sum().backward()
        optimizer.step()
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.step(1).layers["rnn.0"].gate_gradient.shape[0] == T
    with pytest.raises(InputError, match="use_reentrant=False"), record(model, tmp_path / "u.npz", every=1):
        checkpoint(model, x.requires_grad_(), use_reentrant=True).square().sum().backward()


def test_two_recordings_of_a_model_at_once_are_refused(tmp_path):
    model, optimizer = made()
    with record(model, tmp_path / "t.npz", optimizer=optimizer):
        train(model, optimizer, 1)
        with pytest.raises(InputError, match="one recording of a model at a time"), record(model, tmp_path / "u.npz"):
            pass
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.steps == (1,)


@dataclass(frozen=True)
class Asked(Policy):
    """Notes when it is asked, and drops nothing."""

    times: list = field(default_factory=list)

    kind: ClassVar[str] = "asked"

    def to_mapping(self):
        return {"kind": "asked"}

    def for_layer(self, name):
        return self

    def sparsify(self, gradient, moment):
        self.times.append((moment.step, moment.time, tuple(gradient.shape)))
        return gradient.clone()


del Policy.registered["asked"]  # it is none that a header may name


def test_a_policy_sees_a_cell_called_token_by_token_as_a_layer(tmp_path):
    times = []
    for cell in (True, False):
        policy = Asked()
        model = sparsify(nn.LSTMCell(V, H) if cell else nn.LSTM(V, H), policy)
        for _ in range(2):
            x, state = torch.randn(4, B, V), None
            if cell:
                for x_t in x:
                    state = model(x_t, state)
                state[0].sum().backward()
            else:
                model(x)[0].sum().backward()
        times.append(policy.times)
    assert times[0] == times[1] == [(step, t, (4, H, B)) for step in (1, 2) for t in (3, 2, 1, 0)]


def test_a_pass_whose_step_the_scaler_left_out_is_not_recorded(tmp_path):
    torch.manual_seed(0)
    model = nn.LSTM(V, H)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30)
    sparsify(model, None, optimizer=optimizer, loss_scale=scaler)
    skipped = 0
    with record(model, tmp_path / "t.npz", every=1) as recorder:
        while model.sparsified.clock.step < 3:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.float16):
                y, _ = model(torch.randn(T, B, V))
            scaler.scale(y.float().square().mean()).backward()
            before = model.sparsified.clock.step
            scaler.step(optimizer)
            skipped += model.sparsified.clock.step == before
            scaler.update()
    assert skipped > 1
    with Trace(tmp_path / "t.npz") as trace:
        assert trace.steps == (1, 2)
        assert trace.sequence_length == T
        for step in trace:
            assert step.valid_steps is None
            assert step.info["gradient_rms"]["lstm.0"] < 1
    del recorder


def test_attention_that_is_not_replaced_is_dense_work(tmp_path):
    model = nn.ModuleDict({"rnn": nn.GRU(V, 4), "attend": nn.MultiheadAttention(4, 2, kdim=6, vdim=5)})
    sparsify(model, None)
    with record(model, tmp_path / "t.npz"):
        h, _ = model["rnn"](torch.randn(T, B, V))
        model["attend"](h, torch.randn(3, B, 6), value=torch.randn(3, B, 5))[0].sum().backward()
    with Trace(tmp_path / "t.npz") as trace:
        shapes = [(d.name, d.input_size, d.output_size) for d in trace.dense_layers]
        assert shapes == [("attend.q", 4, 4), ("attend.k", 6, 4), ("attend.v", 5, 4), ("attend.out", 4, 4)]
        step = trace.step(1)
        assert step.valid_steps_of("attend.out") is None
        assert step.valid_steps_of("attend.k").tolist() == [3] * B


def test_the_front_door_is_lazy():
    code = "import sys, traces; assert 'torch' not in sys.modules; from traces import record, sparsify; print(record)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert "function record" in done.stdout
