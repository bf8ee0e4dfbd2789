"""`skipstone record` of the PyTorch applications: language models, captioning, translation."""

from __future__ import annotations

import sys
from typing import Any

import click

from traces.application_options import (
    IMAGES,
    PAIRS,
    RECURRENT,
    SIZES,
    TEXT,
    TRAINING,
    TRANSFORMER,
    WORDS,
    options,
)
from traces.policy_options import policy_of
from traces.program import say


@click.command("torch-char-lm")
@options(TEXT, RECURRENT, SIZES, TRAINING)
def torch_char_lm(**given: Any) -> None:
    """Train a character language model with PyTorch: LSTM or GRU, with embedding, dropout and early stopping.

    `record char-lm` needs no PyTorch and can be resumed. Ctrl-C ends this one after the step at hand, with a complete
    trace.
    """
    _record("torch-char-lm", given)


@click.command("word-lm")
@options(TEXT, WORDS, RECURRENT, SIZES, TRAINING)
def word_lm(**given: Any) -> None:
    """Train a word language model with PyTorch, judged by perplexity.

    Ctrl-C ends it after the step at hand, with a complete trace.
    """
    _record("word-lm", given)


@click.command("transformer-lm")
@options(TEXT, TRANSFORMER, WORDS, SIZES, TRAINING)
def transformer_lm(**given: Any) -> None:
    """Train a small causal Transformer language model over characters or words.

    Ctrl-C ends it after the step at hand, with a complete trace.
    """
    _record("transformer-lm", given)


@click.command("caption")
@options(IMAGES, RECURRENT, SIZES, TRAINING)
def caption(**given: Any) -> None:
    """Train an image captioner: convolutional encoder, LSTM or GRU decoder, judged by BLEU.

    Ctrl-C ends it after the step at hand, with a complete trace.
    """
    _record("caption", given)


@click.command("translate")
@options(PAIRS, RECURRENT, SIZES, TRAINING)
def translate(**given: Any) -> None:
    """Train a translator: bidirectional encoder, decoder with attention, judged by BLEU and by alignment.

    Ctrl-C ends it after the step at hand, with a complete trace.
    """
    _record("translate", given)


COMMANDS = (torch_char_lm, word_lm, transformer_lm, caption, translate)
"""To be added to the group `record`."""


def _record(name: str, given: dict[str, Any]) -> None:
    """Make settings of what was given and the scale, train, and report."""
    from traces.application_display import report
    from traces.corpora.sources import optional_module
    from traces.record_display import show_progress

    torch = optional_module("torch", f"record {name}", "torch")
    from traces.torch_frontend.applications.making import make_application
    from traces.torch_frontend.training import train

    policy = policy_of(given.pop("threshold"), given.pop("policy"))
    out, scale, force, quiet, threads = (given.pop(key) for key in ("out", "scale", "force", "quiet", "threads"))
    if threads is not None:
        torch.set_num_threads(threads)
    application, training_settings = make_application(name, given, policy, scale)
    with show_progress(quiet) as observer:
        training = train(application, training_settings, out, force=force, observer=observer)
    if not quiet:
        click.echo(report(training, application.token))
    if training.signal_number:
        done = f"interrupted after step {training.step} of {training_settings.steps}"
        say(f"{done}; {out} is complete up to there", err=True)
        sys.exit(128 + training.signal_number)  # as a shell reports a death by this signal
