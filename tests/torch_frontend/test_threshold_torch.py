"""Threshold policies asked with PyTorch tensors: the bits that numpy gets."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

# With a version, which this folder of the same name has not: it is a namespace package where PyTorch is missing.
torch = pytest.importorskip("torch", minversion="2.0")

from contract.threshold_policies import BY_GATE, NOTHING, POLICIES, gradients, moments  # noqa: E402

from traces.thresholds import from_mapping, restore_state, state_of  # noqa: E402

LSTM = POLICIES | {"by_gate": BY_GATE}
every_policy = pytest.mark.parametrize("mapping", LSTM.values(), ids=LSTM)


def ask(asked, gradient, moment):
    if asked is None:
        return gradient.copy() if isinstance(gradient, np.ndarray) else gradient.clone()
    return asked.sparsify(gradient, moment)


@every_policy
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensor_gets_the_bits_that_the_array_gets(mapping, dtype):
    of_arrays, of_tensors = (from_mapping(mapping).for_layer("lstm0") for _ in range(2))
    for gradient, moment in zip(gradients(6, (4, 9, 7), dtype), moments(), strict=True):
        tensor = torch.from_numpy(gradient.copy())
        answer = ask(of_tensors, tensor, moment)
        assert isinstance(answer, torch.Tensor)
        assert answer.dtype == tensor.dtype
        assert answer.numpy().tobytes() == ask(of_arrays, gradient, moment).tobytes()
        assert tensor.numpy().tobytes() == gradient.tobytes()
        assert answer.data_ptr() != tensor.data_ptr()
    assert {k: v.tobytes() for k, v in state_of(of_tensors).items()} == {
        k: v.tobytes() for k, v in state_of(of_arrays).items()
    }


@every_policy
def test_float16_tensor_gets_the_bits_that_the_array_gets(mapping):
    of_arrays, of_tensors = (from_mapping(mapping).for_layer("lstm0") for _ in range(2))
    for gradient, moment in zip(gradients(6, dtype="float16"), moments(), strict=True):
        answer = ask(of_tensors, torch.from_numpy(gradient.copy()), moment)
        assert answer.dtype == torch.float16
        assert answer.numpy().tobytes() == ask(of_arrays, gradient, moment).tobytes()


@every_policy
def test_bfloat16_tensor_is_answered_in_bfloat16_and_kept_elements_stay(mapping):
    asked = from_mapping(mapping).for_layer("lstm0")
    for gradient, moment in zip(gradients(6), moments(), strict=True):
        tensor = torch.from_numpy(gradient).bfloat16()
        before = tensor.clone()
        answer = ask(asked, tensor, moment)
        assert answer.dtype == torch.bfloat16
        assert torch.equal(tensor, before)
        if not from_mapping(mapping).changes_values():
            assert torch.equal(answer, torch.where(answer != 0, tensor, 0))


@pytest.mark.parametrize("mapping", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_policy_that_drops_nothing_changes_no_bit_of_a_tensor(mapping, dtype):
    asked = from_mapping(mapping).for_layer("lstm0")
    for gradient, moment in zip(gradients(6), moments(), strict=True):
        tensor = torch.from_numpy(gradient).to(dtype)
        tensor[0, 0, :2] = torch.tensor([0.0, -0.0])
        whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.dtype.itemsize]
        assert torch.equal(ask(asked, tensor, moment).view(whole), tensor.view(whole))


@every_policy
def test_nan_of_a_tensor_stays_nan(mapping):
    asked = from_mapping(mapping).for_layer("lstm0")
    for gradient, moment in zip(gradients(6), moments(), strict=True):
        tensor = torch.from_numpy(gradient)
        tensor[1, 2, 3] = torch.nan
        assert torch.isnan(ask(asked, tensor, moment)).nonzero().tolist() == [[1, 2, 3]]


@every_policy
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_tensor_is_answered_in_and_outside_of_autograd(mapping, context):
    of_arrays, of_tensors = (from_mapping(mapping).for_layer("lstm0") for _ in range(2))
    gradient, moment = gradients(1)[0], moments()[0]
    with context():
        tensor = torch.from_numpy(gradient).requires_grad_() if context is torch.enable_grad else torch.tensor(gradient)
        answer = ask(of_tensors, tensor, moment)
        np.testing.assert_array_equal(answer.detach().numpy(), ask(of_arrays, gradient, moment))


@every_policy
def test_tensor_view_with_strides_is_answered_like_its_copy(mapping):
    asked, again = (from_mapping(mapping).for_layer("lstm0") for _ in range(2))
    for gradient, moment in zip(gradients(6), moments(), strict=True):
        strided = torch.from_numpy(gradient).permute(2, 0, 1).contiguous().permute(1, 2, 0)
        assert not strided.is_contiguous()
        assert torch.equal(ask(asked, strided, moment), ask(again, torch.from_numpy(gradient), moment))


@every_policy
def test_state_of_a_training_with_tensors_goes_on_with_arrays(mapping):
    questions = list(zip(gradients(6), moments(), strict=True))
    whole, first, second = (from_mapping(mapping).for_layer("lstm0") for _ in range(3))
    expected = [ask(whole, *question) for question in questions]
    for gradient, moment in questions[:3]:
        ask(first, torch.from_numpy(gradient), moment)
    restore_state(second, state_of(first))
    for (gradient, moment), wanted in zip(questions[3:], expected[3:], strict=True):
        assert ask(second, gradient, moment).tobytes() == wanted.tobytes()


def test_thresholds_do_not_import_torch():
    program = (
        "import sys, traces.thresholds, traces.thresholds.text, traces.thresholds.table; print('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )
