"""`skipstone record`: train a model and record which gate gradients are zero."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from traces.policy_options import POLICY, THRESHOLD, policy_of
from traces.program import say


@click.group()
def record() -> None:
    """Train a model and record which gate gradients are zero."""


@record.command("char-lm")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The trace to write (.npz).")
@click.option(
    "--corpus",
    default="shakespeare",
    show_default=True,
    help="shakespeare, python-docs, or the path of a UTF-8 text file.",
)
@click.option("--layers", default=3, show_default=True, help="LSTM layers.")
@click.option("--hidden", default=256, show_default=True, help="Cells of each layer.")
@click.option("--sequence", default=100, show_default=True, help="Time steps of a window.")
@click.option("--batch", default=32, show_default=True, help="Parallel sequences.")
@THRESHOLD
@POLICY
@click.option("--steps", default=2000, show_default=True, help="Optimiser steps.")
@click.option("--record-every", default=100, show_default=True, help="Record step 1 and every N-th step.")
@click.option("--optimizer", default="adam", show_default=True, help="adam or sgd.")
@click.option("--learning-rate", type=float, default=None, help="Left out: 0.002 with adam, 1 with sgd.")
@click.option("--momentum", default=0.0, show_default=True, help="Of sgd.")
@click.option("--clip", default=5.0, show_default=True, help="Largest norm of the whole gradient; 0: no limit.")
@click.option("--seed", default=0, show_default=True, help="Of the initial parameters.")
@click.option("--precision", default="float32", show_default=True, help="float32 or float64.")
@click.option(
    "--loss-normalisation",
    default="mean",
    show_default=True,
    help="mean (over batch and time), batch (mean over the batch, summed over time) or sum. "
    "The threshold is absolute and means something only together with it.",
)
@click.option("--forget-bias", default=1.0, show_default=True, help="Initial bias of the forget gates.")
@click.option(
    "--output-bias",
    default="log-frequency",
    show_default=True,
    help="Initial bias of the classifier: log-frequency (of the symbols) or zero.",
)
@click.option(
    "--eval-every", type=int, default=None, help="Validate every N steps, 0: never. Left out: --record-every."
)
@click.option(
    "--eval-windows",
    default=10,
    show_default=True,
    help="Windows of the validation text read each time, 0: all of it.",
)
@click.option("--record-values/--no-record-values", default=False, help="Record the non-zero gradients themselves too.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted recording at --out.")
@click.option("--force", is_flag=True, help="Replace an existing trace at --out.")
@click.option("--quiet", is_flag=True, help="No progress and no report.")
@click.option("--threads", type=int, default=None, help="BLAS threads. Left out: as the environment says.")
def char_lm(
    out: Path,
    corpus: str,
    layers: int,
    hidden: int,
    sequence: int,
    batch: int,
    threshold: float | None,
    policy: str | None,
    steps: int,
    record_every: int,
    optimizer: str,
    learning_rate: float | None,
    momentum: float,
    clip: float,
    seed: int,
    precision: str,
    loss_normalisation: str,
    forget_bias: float,
    output_bias: str,
    eval_every: int | None,
    eval_windows: int,
    record_values: bool,
    resume: bool,
    force: bool,
    quiet: bool,
    threads: int | None,
) -> None:
    """Train a character language model: one-hot input, LSTM layers, a softmax classifier.

    Ctrl-C ends it after the step at hand with a complete trace; --resume then goes on to the same numbers as
    an uninterrupted run. What that takes lies beside the trace, in OUT.state.npz.
    """
    from traces.char_lm import CharLMSettings, record_char_lm
    from traces.numpy_frontend.blas_threads import set_threads
    from traces.record_display import report, show_progress

    settings = CharLMSettings(
        corpus=corpus,
        layers=layers,
        hidden=hidden,
        sequence=sequence,
        batch=batch,
        policy=policy_of(threshold, policy),
        steps=steps,
        record_every=record_every,
        optimizer=optimizer,
        learning_rate=learning_rate,
        momentum=momentum,
        clip=clip,
        seed=seed,
        precision=precision,
        loss_normalisation=loss_normalisation,
        forget_bias=forget_bias,
        output_bias=output_bias,
        eval_every=eval_every,
        eval_windows=eval_windows,
        record_values=record_values,
    )
    if threads is not None:
        set_threads(threads)
    with show_progress(quiet) as observer:
        recording = record_char_lm(settings, out, resume=resume, force=force, observer=observer)
    if not quiet:
        click.echo(report(recording))
    if recording.signal_number and recording.step < steps:
        done = f"interrupted after step {recording.step} of {steps}; {out} is complete up to there"
        say(f"{done}. To go on, run the same command with --resume (and without --force).", err=True)
        sys.exit(128 + recording.signal_number)  # as a shell reports a death by this signal
