"""What `sparsify` replaces, what it keeps, and what it refuses by name."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from traces.errors import InputError  # noqa: E402
from traces.thresholds import Fixed  # noqa: E402
from traces.torch_frontend.replace import sparsify, taps_of  # noqa: E402

POLICY = {"kind": "fixed", "threshold": 1e-6}


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"lstm": nn.LSTM(3, 4, 2, bidirectional=True)})
        self.decoder = nn.GRUCell(8, 8)
        self.top = nn.Linear(8, 5)
        self.taps = 3  # a word that filters use, too


def test_names_are_module_paths_layers_and_directions():
    model = sparsify(Pair(), Fixed(1e-6))
    names = [tap.name for tap in taps_of(model)]
    assert names == ["encoder.lstm.0", "encoder.lstm.0.reverse", "encoder.lstm.1", "encoder.lstm.1.reverse", "decoder"]
    assert [tap.input_size for tap in taps_of(model)] == [3, 3, 8, 8, 8]


def test_modules_parameters_and_flags_stay_the_same_objects():
    model = Pair().eval()
    modules, parameters = list(model.modules()), list(model.parameters())
    assert sparsify(model, POLICY) is model
    assert all(a is b for a, b in zip(modules, model.modules(), strict=True))
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert not any(module.training for module in model.modules())


def test_a_shared_module_stays_shared():
    model = Pair()
    model.again = model.decoder
    sparsify(model, POLICY)
    assert model.again is model.decoder
    assert len(list(taps_of(model))) == 5


class Own(nn.LSTM):
    pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.add_module("odd", nn.LSTM(3, 4, proj_size=2)), "module odd: found proj_size 2"),
        (lambda m: m.add_module("mine", Own(3, 4)), "module mine: found a Own, a subclass"),
    ],
)
def test_what_cannot_be_replaced_is_named_and_nothing_is_changed(change, message):
    model = Pair()
    change(model)
    with pytest.raises(InputError, match=message):
        sparsify(model, POLICY)
    assert type(model.decoder) is nn.GRUCell


def test_a_model_without_layers_to_replace_and_a_second_time_are_refused():
    with pytest.raises(InputError, match="no layer to replace"):
        sparsify(nn.Sequential(nn.Linear(3, 4)), POLICY)
    model = sparsify(Pair(), POLICY)
    with pytest.raises(InputError, match="sparsified already"):
        sparsify(model, POLICY)
    with pytest.raises(InputError, match="sparsified already"):
        sparsify(copy.deepcopy(model), POLICY)


def test_steps_are_counted_by_passes_or_by_the_optimizer():
    x = torch.randn(5, 2, 3)
    for known in (False, True):
        model = nn.LSTM(3, 4)
        optimizer = torch.optim.SGD(model.parameters(), 0.5)
        sparsify(model, POLICY, optimizer=optimizer if known else None)
        clock = model.sparsified.clock
        for _ in range(3):
            for _ in range(2):  # two micro-batches
                model(x)[0].sum().backward()
            with torch.no_grad():
                model(x)  # an evaluation in between counts nothing
            optimizer.step()
        assert (clock.step, clock.learning_rate) == ((4, 0.5) if known else (6, None))
