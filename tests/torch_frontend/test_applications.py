"""The applications on small corpora that the tests make: figures against plain forms, and that they learn."""

import math
from collections import Counter

import numpy as np
import pytest

# With a version, which this folder of the same name has not: it is a namespace package where PyTorch is missing.
torch = pytest.importorskip("torch", minversion="2.4")

from torch.nn.functional import cross_entropy  # noqa: E402

from traces.errors import InputError  # noqa: E402
from traces.thresholds import Off  # noqa: E402
from traces.torch_frontend.applications.application import evaluating  # noqa: E402
from traces.torch_frontend.applications.captioning import Captioning  # noqa: E402
from traces.torch_frontend.applications.language_modelling import CASES, LanguageModelling, case_of  # noqa: E402
from traces.torch_frontend.applications.translation import Translation, diagonal_links  # noqa: E402
from traces.torch_frontend.metrics import alignment_error_rate  # noqa: E402
from traces.torch_frontend.settings import (  # noqa: E402
    CaptioningSettings,
    LanguageModelSettings,
    TrainingSettings,
    TranslationSettings,
)
from traces.torch_frontend.training import train  # noqa: E402

TEXT = "".join(f"The {k} cats and {k + 1} DOGS sat on {7 * k % 13} mats.\n" for k in range(120))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "cats.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def language_model(text, **changes):
    small = {"corpus": text, "layers": 1, "hidden": 12, "sequence": 10, "batch": 4}
    return LanguageModelling(LanguageModelSettings(**{**small, **changes}))


KINDS = [
    {},
    {"cell": "gru", "embedding": 6},
    {"cell": "transformer", "heads": 2},
    {"unit": "word", "embedding": 12, "tied": True},
    {"unit": "word", "embedding": 6, "case_task": True},
]


@pytest.mark.parametrize("changes", KINDS, ids=str)
def test_language_model_begins_with_the_frequencies_and_learns(text, changes):
    application = language_model(text, **changes)
    symbols = application.train.symbols
    counts = Counter(symbols.tolist())
    entropy = -sum(n / symbols.size * math.log(n / symbols.size) for n in counts.values())
    first = application.train_loss()
    if not changes.get("case_task"):
        assert first.total / first.tokens == pytest.approx(entropy, abs=0.6)
    assert (first.tokens, first.sequences) == (40, 4)
    before = application.valid_loss(0)
    training = train(application, TrainingSettings(policy=Off(), steps=40, eval_every=20, learning_rate=0.01))
    assert application.valid_loss(0) < before - 0.3
    unit = "bits_per_character" if application.settings.unit == "char" else "perplexity"
    assert {f"{part}_{what}" for part in ("valid", "test") for what in ("loss", unit)} <= training.final.keys()
    assert ("test_case_loss" in training.final) == bool(changes.get("case_task"))


def test_language_model_reads_each_stream_as_one_text(text):
    application = language_model(text)
    with evaluating(application.model):
        losses = [application.train_loss().total for _ in range(len(application.windows))]
        windows = application.windows
        total = 0.0
        for b in range(4):
            start = b * windows.stream_length
            stream = torch.from_numpy(application.train.symbols[start : start + len(windows) * 10 + 1])
            (logits,), _ = application.model(stream[:-1, None], None)
            total += float(cross_entropy(logits[:, 0], stream[1:], reduction="sum"))
        assert sum(losses) == pytest.approx(total, rel=1e-5)
        # A new epoch begins with no state, so it gives the same again.
        assert application.train_loss().total == pytest.approx(losses[0], rel=1e-6)


def test_language_model_is_judged_on_every_token_but_those_that_fill_no_stream(text):
    application = language_model(text, batch=1)
    valid = torch.from_numpy(application.valid.symbols)
    with evaluating(application.model):
        (logits,), _ = application.model(valid[:-1, None], None)
        expected = float(cross_entropy(logits[:, 0], valid[1:]))
    assert application.valid_loss(0) == pytest.approx(expected, rel=1e-5)
    assert application.valid_loss(1) != pytest.approx(expected, rel=1e-5)


def test_evaluation_leaves_the_training_where_it_was(text):
    one, other = language_model(text, dropout=0.3), language_model(text, dropout=0.3)
    for application in (one, other):
        application.train_loss()
    one.valid_loss(0), one.final()
    torch.manual_seed(0)
    loss = one.train_loss().total
    torch.manual_seed(0)
    assert other.train_loss().total == loss


def test_case_of_a_word_is_small_capital_or_capitals():
    words = ["the", "The", "THE", "I", "7", "<eos>", "iOS"]
    assert [CASES[case_of(word)] for word in words] == [
        "small",
        "capital",
        "capitals",
        "capital",
        "small",
        "small",
        "small",
    ]


def test_case_task_folds_words_and_keeps_their_case_beside(text):
    application = language_model(text, unit="word", embedding=4, case_task=True)
    plain = language_model(text, unit="word", embedding=4)
    assert application.train.symbols.size == application.train.cases.size == plain.train.symbols.size
    assert Counter(application.train.cases.tolist())[2] == application.corpus.train.count(
        "DO"
    )  # the cut may leave "DO"


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (LanguageModelSettings, {"unit": "sentence"}, "unit: found 'sentence'; expected one of char, word"),
        (LanguageModelSettings, {"cell": "lsmt"}, "did you mean 'lstm'"),
        (LanguageModelSettings, {"cell": "transformer", "hidden": 10, "heads": 4}, "a multiple of the 4 heads"),
        (LanguageModelSettings, {"tied": True, "embedding": 3}, "embedding: found 3 with tied weights"),
        (LanguageModelSettings, {"case_task": True}, "case task: found unit 'char'"),
        (LanguageModelSettings, {"dropout": 1.0}, "dropout: found 1.0"),
        (CaptioningSettings, {"channels": 0}, "channels: found 0"),
        (CaptioningSettings, {"cell": "transformer"}, "cell: found 'transformer'"),
        (TranslationSettings, {"hidden": 9}, "hidden: found 9; expected an even number"),
        (TranslationSettings, {"beam": 0}, "beam: found 0"),
    ],
)
def test_model_settings_out_of_range_are_refused(settings, changes, message):
    with pytest.raises(InputError, match=message):
        settings(**changes)


def test_a_text_that_fills_no_window_is_refused(text):
    with pytest.raises(InputError, match="characters to train on; expected at least 100001"):
        language_model(text, batch=10_000)


NUMBERS = {
    "en": ["one", "two", "three", "four", "five", "six"],
    "de": ["eins", "zwei", "drei", "vier", "fünf", "sechs"],
}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A folder as Multi30k's: the target is the source word by word."""
    folder = tmp_path_factory.mktemp("pairs")
    generator = np.random.default_rng(0)
    for part, count in (("train", 300), ("val", 12), ("test", 12)):
        drawn = [generator.permutation(6)[: generator.integers(2, 5)] for _ in range(count)]
        for language, words in NUMBERS.items():
            lines = [" ".join(words[index] for index in one) + "." for one in drawn]
            (folder / f"{part}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(("cell", "beam"), [("lstm", 1), ("gru", 3), ("transformer", 1)])
def test_translation_learns_word_by_word_and_its_attention_finds_the_words(sentences, cell, beam):
    pytest.importorskip("sacrebleu")
    settings = TranslationSettings(
        sentences, cell=cell, hidden=32, embedding=16, dropout=0.0, batch=16, longest=6, beam=beam
    )
    application = Translation(settings)
    training = train(application, TrainingSettings(policy=Off(), steps=250, eval_every=50, learning_rate=0.01))
    assert training.final["test_exact_matches"] > 0.6
    assert training.final["test_bleu"] > 60
    assert "test_alignment_error" not in training.final  # no gold alignments here
    assert application.header()["corpus"]["pairs"]["valid"] == len(application.corpus.valid)
    if cell == "transformer":
        return
    pairs = application.corpus.test
    links = application.align(pairs)
    for pair, found in zip(pairs, links, strict=True):
        assert {t for _, t in found} == set(range(len(pair.target) - 1))  # all but the full stop
    gold = [diagonal_links(pair) for pair in pairs]
    assert alignment_error_rate(links, gold, gold) < 0.1


def test_translation_of_the_same_pairs_does_not_depend_on_their_order(sentences):
    application = Translation(TranslationSettings(sentences, hidden=8, embedding=4, batch=4))
    pairs = application.corpus.test
    assert application.translate(pairs)[::-1] == application.translate(pairs[::-1])
    assert application.align(pairs)[::-1] == application.align(pairs[::-1])


def test_diagonal_links_of_equal_lengths_are_the_diagonal(sentences):
    pair = Translation(TranslationSettings(sentences, batch=4)).corpus.test[0]
    words = len(pair.target) - 1
    assert diagonal_links(pair) == {(t, t) for t in range(words)}


COLOURS = {"red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder as COCO's: one colour left and one right, said in words."""
    import json

    module = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("images")
    held_out = {("red", "green"): "val", ("blue", "red"): "val"}
    listed = {"train": ([], []), "val": ([], [])}
    for number, (left, right) in enumerate((a, b) for a in COLOURS for b in COLOURS):
        image = module.new("RGB", (16, 16), COLOURS[right])
        image.paste(COLOURS[left], (0, 0, 8, 16))
        image.save(folder / f"{number}.png")
        files, captions = listed[held_out.get((left, right), "train")]
        files.append({"id": number, "file_name": f"{number}.png"})
        captions += [{"image_id": number, "caption": f"{left} beside {right}"} for _ in range(2)]
    for part, (files, captions) in listed.items():
        text = json.dumps({"images": files, "annotations": captions})
        (folder / f"captions_{part}.json").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_captioning_learns_what_the_images_show(images, cell):
    pytest.importorskip("sacrebleu")
    settings = CaptioningSettings(
        images, cell=cell, hidden=24, embedding=8, channels=4, image_size=16, dropout=0.0, batch=7
    )
    application = Captioning(settings)
    assert len(application.train) == 14
    training = train(application, TrainingSettings(policy=Off(), steps=120, eval_every=0, learning_rate=0.01))
    written = application.describe(application.corpus.train)
    assert written == [item.captions[0] for item in application.corpus.train]
    assert {"valid_bleu", "test_bleu", "test_exact_matches", "test_loss"} <= training.final.keys()


def test_small_corpora_are_refused(sentences, images):
    with pytest.raises(InputError, match="at least a batch of 1000"):
        Translation(TranslationSettings(sentences, batch=1000))
    with pytest.raises(InputError, match="at least a batch of 1000"):
        Captioning(CaptioningSettings(images, batch=1000))
