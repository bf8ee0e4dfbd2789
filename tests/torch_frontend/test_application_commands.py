"""The applications' commands as a user meets them: help, mistakes, and one run."""

import subprocess
import sys

import pytest

# With a version, which this folder of the same name has not: it is a namespace package where PyTorch is missing.
torch = pytest.importorskip("torch", minversion="2.4")

import click  # noqa: E402

from traces.application_commands import COMMANDS  # noqa: E402
from traces.cli import record  # noqa: E402
from traces.errors import InputError  # noqa: E402
from traces.policy_options import policy_of  # noqa: E402
from traces.thresholds import Fixed, Off  # noqa: E402
from traces.torch_frontend import scales  # noqa: E402
from traces.torch_frontend.settings import (  # noqa: E402
    CaptioningSettings,
    LanguageModelSettings,
    TrainingSettings,
    TranslationSettings,
)

TEXT = "".join(f"the {k} cats and {k + 1} dogs sat on {7 * k % 13} mats.\n" for k in range(120))


def run(*arguments):
    program = "from simulator.cli import main; main()"
    command = [sys.executable, "-c", program, "record", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_is_a_setting_of_the_model_or_the_training(command):
    settings = {
        "caption": CaptioningSettings,
        "translate": TranslationSettings,
    }.get(command.name, LanguageModelSettings)
    known = settings.__dataclass_fields__.keys() | TrainingSettings.__dataclass_fields__.keys()
    own = {"out", "scale", "threshold", "force", "quiet", "threads"}
    assert {parameter.name for parameter in command.params} <= known | own
    missing = settings.__dataclass_fields__.keys() - {parameter.name for parameter in command.params}
    if settings is not LanguageModelSettings:  # its commands fix some of the settings
        assert missing == set()


@pytest.mark.parametrize(("name", "scale"), [(n, s) for n, found in scales.SCALES.items() for s in found])
def test_every_scale_is_made_of_known_settings_in_range(name, scale):
    values = dict(scales.SCALES[name][scale])
    training = {key: values.pop(key) for key in TrainingSettings.__dataclass_fields__.keys() & values.keys()}
    assert TrainingSettings(**training).steps > 0
    settings = {"caption": CaptioningSettings, "translate": TranslationSettings}.get(name, LanguageModelSettings)
    cell = {"cell": "transformer"} if name == "transformer-lm" else {}
    assert settings(**values, **cell).batch > 0


def test_policy_of_the_two_options():
    assert policy_of(None, None) == Fixed(1e-6)
    assert policy_of(0.5, None) == Fixed(0.5)
    assert policy_of(None, '{"kind": "off"}') == Off()
    assert policy_of(None, '{"kind": "fixed", "threshold": 1e-3}') == Fixed(1e-3)
    with pytest.raises(InputError, match="found both"):
        policy_of(0.5, "{}")
    with pytest.raises(InputError, match="expected kind=target"):
        policy_of(None, "kind: off")
    with pytest.raises(InputError, match="policy kind: found 'of'"):
        policy_of(None, '{"kind": "of"}')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["word-lm", "--corpus", "no such"], "corpus: found 'no such'"),
        (["word-lm", "--hidden", "0"], "hidden: found 0"),
        (["translate", "--corpus", "bible-alignments"], "pip download --no-deps"),
        (["caption", "--dropout", "1"], "dropout: found 1.0"),
        (["transformer-lm", "--heads", "3", "--hidden", "64"], "a multiple of the 3 heads"),
        (["torch-char-lm", "--threshold", "-1"], "policy threshold: found -1.0"),
        (["word-lm", "--scale", "huge"], "'huge' is not one of"),
    ],
)
def test_a_wrong_command_is_refused_before_there_is_a_file(tmp_path, arguments, message):
    with pytest.raises((InputError, click.UsageError)) as refused:
        record.main([*arguments, "--out", str(tmp_path / "run.npz")], standalone_mode=False)
    said = getattr(refused.value, "message", str(refused.value))
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_command_exits_with_2_without_a_traceback(tmp_path):
    refused = run("translate", "--corpus", "emoij", "--out", tmp_path / "run.npz")
    assert refused.returncode == 2
    assert "error: corpus: found 'emoij'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_command_trains_and_reports(tmp_path):
    if not hasattr(pytest.importorskip("traces.torch_frontend"), "record"):
        pytest.skip("needs the recorder of traces.torch_frontend")
    (tmp_path / "cats.txt").write_text(TEXT, encoding="utf-8")
    arguments = ["word-lm", "--corpus", tmp_path / "cats.txt", "--out", tmp_path / "run.npz", "--threads", "1"]
    arguments += ["--hidden", "8", "--embedding", "4", "--sequence", "5", "--batch", "4", "--cell", "gru"]
    arguments += ["--steps", "10", "--eval-every", "5", "--record-every", "5", "--case-task"]
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "step 10/10  loss " in done.stderr
    for part in ("trained 10 steps", "test perplexity", "test case loss", "recurrent.0", "sha256"):
        assert part in done.stdout
    again = run(*arguments)
    assert again.returncode == 2
    assert "--force replaces it" in again.stderr
