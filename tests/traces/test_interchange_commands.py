"""`skipstone import` and `skipstone export` on the command line, and what simulators make of an import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from simulator import simulate
from simulator.arch import load_arch
from simulator.cli import skipstone
from simulator.skipping import run_pass
from traces import InputError, Layer, Trace, synthetic_trace
from traces.interchange import product_mask


def run(*arguments):
    result = CliRunner().invoke(skipstone, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def matrix(tmp_path):
    mask = np.random.default_rng(8).random((20, 48)) < 0.25
    np.save(tmp_path / "m.npy", mask * 3.5)
    return mask


@pytest.fixture
def trace(tmp_path):
    return synthetic_trace(
        tmp_path / "run.npz",
        layers=[Layer("lstm0", "lstm", 6, 5)],
        sequence_length=4,
        batch_size=3,
        sparsity=0.6,
        steps=[2, 5],
    )


def test_an_imported_matrix_is_one_product_of_the_simulator(tmp_path, matrix):
    out = tmp_path / "run.npz"
    zeros = 100 * (1 - matrix.mean())
    told = run("import", tmp_path / "m.npy", "--out", out, "--columns", 12)
    assert told == f"{out}: 1 layer, 1 step, 1 x 20 rows, {zeros:.1f} % zeros in the gradients\n"
    arch = load_arch("zero_skip", ["memory=ideal", "array.rows=32", "array.columns=4"])
    report = simulate(arch, out, baseline=False)
    products = {entry["product"]: entry for entry in report.to_dict()["products"]}
    dx, dW = products["dx"], products["dW"]
    assert (dx["m"], dx["k"], dx["n"]) == (20, 48, 12)
    assert dx["macs_executed"] == matrix.sum() * 12
    assert dx["cycles"] == 3 * run_pass(matrix, arch.skipping).cycles
    assert (dW["m"], dW["k"], dW["n"]) == (48, 20, 12)
    turned = [run_pass(matrix.T[i : i + 32], arch.skipping).cycles for i in (0, 32)]
    assert dW["cycles"] == 3 * sum(turned)


def test_an_existing_trace_is_replaced_only_by_force(tmp_path, matrix):
    out = tmp_path / "run.npz"
    run("import", tmp_path / "m.npy", "--out", out)
    with Trace(out) as trace:
        assert trace.layers[0].input_size == 64
    with pytest.raises(InputError, match=r"an existing file.*--force"):
        run("import", tmp_path / "m.npy", "--out", out, "--columns", 5)
    run("import", tmp_path / "m.npy", "--out", out, "--columns", 5, "--force")
    with Trace(out) as trace:
        assert trace.layers[0].input_size == 5


def test_export_writes_the_mask_of_the_product(tmp_path, trace):
    to = tmp_path / "dW.npy"
    assert run("export", trace, "--step", 5, "--layer", "lstm0", "--product", "dW", "--to", to) == f"{to}\n"
    with Trace(trace) as opened:
        assert (np.load(to) == product_mask(opened, 5, "lstm0", "dW")).all()
        with pytest.raises(InputError, match=r"an existing file.*--force"):
            run("export", trace, "--step", 5, "--layer", "lstm0", "--product", "dh", "--time", 2, "--to", to)
        run("export", trace, "--step", 5, "--layer", "lstm0", "--product", "dh", "--time", 2, "--to", to, "--force")
        assert (np.load(to) == product_mask(opened, 5, "lstm0", "dh", 2)).all()


def test_export_to_any_other_name_is_a_dnnsim_folder_that_import_takes(tmp_path, trace):
    folder = tmp_path / "net_traces" / "lm"
    for step in (2, 5):
        run("export", trace, "--step", step, "--layer", "lstm0", "--product", "dW", "--to", folder)
    out = tmp_path / "again.npz"
    assert "1 layer, 2 steps, 1 x 12 rows, 60.0 % zeros" in run("import", folder, "--out", out, "--layer", "fc_lstm0")
    run("import", folder, "--out", out, "--params", folder / "trace_params.csv", "--force")
    with Trace(out) as again, Trace(trace) as first:
        expected = product_mask(first, 5, "lstm0", "dW")
        assert (product_mask(again, 5, "fc_lstm0", "dW") == expected).all()


def test_the_step_may_be_left_out_where_there_is_one(tmp_path, trace, matrix):
    asked = ("--layer", "lstm0", "--product", "dW", "--to", tmp_path / "x.npy")
    with pytest.raises(InputError, match=r"--step: found nothing; expected one of the recorded steps.*2, 5"):
        run("export", trace, *asked)
    run("import", tmp_path / "m.npy", "--out", tmp_path / "one.npz")
    run("export", tmp_path / "one.npz", "--layer", "matrix", "--product", "dx", "--to", tmp_path / "x.npy")
    assert (np.load(tmp_path / "x.npy") == matrix).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import", "{folder}", "--out", "{new}", "--columns", 3), "--columns: found 3 with a folder"),
        (("import", "{matrix}", "--out", "{new}", "--layer", "a"), "--layer: found this option with a matrix"),
        (("import", "{matrix}", "--out", "{new}", "--params", "a"), "--params: found this option with a matrix"),
        (("import", "{folder}/no.npy", "--out", "{new}"), "no such file"),
        (("import", "{folder}", "--out", "{new}"), r"trace_params\.csv: found no such file"),
        (
            ("export", "{trace}", "--step", 2, "--layer", "lstm0", "--product", "dh", "--time", 1, "--to", "{new}dir"),
            "--time",
        ),
        (("export", "{trace}", "--step", 3, "--layer", "lstm0", "--product", "dW", "--to", "{new}.npy"), "no step 3"),
        (("export", "{matrix}", "--layer", "lstm0", "--product", "dW", "--to", "{new}.npy"), "not a zip archive"),
    ],
)
def test_a_wrong_use_is_refused(tmp_path, trace, matrix, words, message):
    folder = tmp_path / "empty"
    folder.mkdir()
    places = {"folder": folder, "new": tmp_path / "new", "matrix": tmp_path / "m.npy", "trace": trace}
    with pytest.raises(InputError, match=message):
        run(*[str(word).format(**places) for word in words])
    assert not list(tmp_path.glob("new*"))


def test_a_mistake_exits_with_2_and_one_line(tmp_path):
    script = "from simulator.cli import main; main()"
    words = ["import", str(tmp_path / "no.npy"), "--out", str(tmp_path / "x.npz")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
