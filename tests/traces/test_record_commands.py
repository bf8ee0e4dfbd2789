"""`skipstone record char-lm` as a user meets it: exit codes, output, Ctrl-C."""

import signal
import subprocess
import sys
import time

import pytest

from traces.char_lm import state_path
from traces.trace import Trace

TEXT = "".join(f"line {k}: the quick brown fox jumps over {k % 7} lazy dogs\n" for k in range(400))
SMALL = ["--layers", "1", "--hidden", "8", "--sequence", "10", "--batch", "4", "--record-every", "5"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "fox.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def command(*arguments):
    program = "from simulator.cli import main; main()"
    return [sys.executable, "-c", program, "record", "char-lm", *map(str, arguments)]


def run(*arguments):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False)


def test_record_command_trains_reports_and_refuses_to_overwrite(text, tmp_path):
    out = tmp_path / "run.npz"
    done = run("--corpus", text, "--out", out, "--steps", "12", "--threads", "1", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "step 12/12  loss " in done.stderr
    for part in ("trained 12 steps, recorded 3", "bits per character", "lstm0", "sha256"):
        assert part in done.stdout
    with Trace(out) as trace:
        assert trace.steps == (1, 5, 10)
        assert trace.policy == {"kind": "fixed", "threshold": 1e-6}
        assert trace.sha256 in done.stdout
    again = run("--corpus", text, "--out", out, "--steps", "12", *SMALL)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith(f"error: {out}: found an existing file")
    quiet = run("--corpus", text, "--out", out, "--steps", "12", "--quiet", "--force", *SMALL)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden", "0"], "error: hidden: found 0"),
        (["--learning-rate", "-1"], "error: learning rate: found -1.0"),
        (["--threshold", "-1e-6"], "error: policy threshold: found -1e-06"),
        (["--policy", "kind=target"], "error: policy sparsity: found nothing"),
        (["--policy", "{}"], "error: policy kind: found nothing"),
        (["--policy", "kind=off", "--threshold", "1e-6"], "error: --threshold and --policy: found both"),
        (["--policy", '{"kind": "by_layer", "layers": {"lstm7": {"kind": "off"}}}'], "layers lstm7: found no such"),
        (["--threshold", "nan"], "error: policy threshold: found nan"),
        (["--corpus", "no such"], "error: corpus: found 'no such'"),
        (["--batch", "100000"], "characters to train on"),
        (["--steps", "many"], "is not a valid integer"),
        (["--threads", "0"], "error: threads: found 0"),
    ],
)
def test_record_command_refuses_bad_arguments_without_a_traceback_or_a_file(text, tmp_path, arguments, message):
    out = tmp_path / "run.npz"
    refused = run("--corpus", text, "--out", out, *SMALL, *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert sorted(tmp_path.iterdir()) == [text]


@pytest.mark.parametrize(
    ("words", "policy"),
    [
        (["--policy", "kind=target,sparsity=0.5"], {"kind": "target", "sparsity": 0.5, "gain": 1.0, "per": "layer"}),
        (["--policy", '{"kind": "fixed", "threshold": 1e-3}'], {"kind": "fixed", "threshold": 1e-3}),
        (["--threshold", "1e-3"], {"kind": "fixed", "threshold": 1e-3}),
    ],
)
def test_record_command_trains_under_the_policy_that_it_is_given(text, tmp_path, words, policy):
    out = tmp_path / "run.npz"
    done = run("--corpus", text, "--out", out, "--steps", "6", *SMALL, *words)
    assert done.returncode == 0, done.stderr
    with Trace(out) as trace:
        assert trace.policy == policy
        assert trace.steps == (1, 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_record_command_survives_a_signal_with_a_complete_trace(text, tmp_path, number):
    out = tmp_path / "run.npz"
    arguments = ["--corpus", text, "--out", out, "--steps", "1000000", "--eval-every", "0", *SMALL]
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("step 1/1000000")
        time.sleep(0.3)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "Traceback" not in stderr
    assert "run the same command with --resume" in stderr
    with Trace(out) as trace:
        recorded = trace.steps
        assert recorded[0] == 1
        assert all(trace.step(number).info["loss"] > 0 for number in recorded)
        assert trace.sha256 in stdout
    assert state_path(out).is_file()
    taken = int(stderr.split("interrupted after step ")[1].split()[0])
    resumed = run(*arguments, "--steps", taken + 5, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    with Trace(out) as trace:
        assert trace.steps[: len(recorded)] == recorded
        assert len(trace.steps) == len(recorded) + 1


def test_record_help_loads_neither_pandas_nor_matplotlib_nor_numba():
    program = (
        "import sys, click\nfrom traces.cli import record\n"
        "try: record.main(['char-lm', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'pandas', 'matplotlib', 'numba', 'torch', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
