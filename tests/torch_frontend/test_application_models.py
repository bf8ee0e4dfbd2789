"""The models: shapes, causality, padding that changes nothing, and decoding against plain forms."""

import itertools

import pytest

# With a version, which this folder of the same name has not: it is a namespace package where PyTorch is missing.
torch = pytest.importorskip("torch", minversion="2.4")

from traces.corpora.vocabulary import BEGIN, END, PAD  # noqa: E402
from traces.torch_frontend.models.captioning import Captioner  # noqa: E402
from traces.torch_frontend.models.decoding import beam_search, greedy  # noqa: E402
from traces.torch_frontend.models.language_model import RecurrentLanguageModel  # noqa: E402
from traces.torch_frontend.models.recurrent import recurrent_layers  # noqa: E402
from traces.torch_frontend.models.transformer import (  # noqa: E402
    TransformerLanguageModel,
    TransformerTranslator,
    sinusoids,
)
from traces.torch_frontend.models.translation import Translator  # noqa: E402

CELLS = ["lstm", "gru"]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


def language_model(kind, outputs=(11,)):
    if kind == "transformer":
        return TransformerLanguageModel(11, 8, 2, 2, 9, outputs)
    return RecurrentLanguageModel(kind, 11, 0 if kind == "lstm" else 6, 8, 2, outputs)


@pytest.mark.parametrize("kind", [*CELLS, "transformer"])
def test_language_model_predicts_from_the_past_alone(kind):
    model = language_model(kind, (11, 3)).eval()
    symbols = torch.randint(0, 11, (9, 4))
    later = symbols.clone()
    later[5:] = (later[5:] + 1) % 11
    (first, second), _ = model(symbols, None)
    (changed, _), _ = model(later, None)
    assert first.shape == (9, 4, 11)
    assert second.shape == (9, 4, 3)
    torch.testing.assert_close(first[:5], changed[:5])
    assert not torch.allclose(first[5], changed[5])


@pytest.mark.parametrize("kind", CELLS)
def test_language_model_in_two_windows_equals_one(kind):
    model = language_model(kind)
    symbols = torch.randint(0, 11, (9, 4))
    (whole,), _ = model(symbols, None)
    (first,), state = model(symbols[:4], None)
    (second,), _ = model(symbols[4:], state)
    torch.testing.assert_close(torch.cat((first, second)), whole)


def test_tied_weights_are_one_parameter():
    model = RecurrentLanguageModel("gru", 11, 8, 8, 1, (11,), tied=True)
    assert model.classifiers[0].weight is model.embedding.weight
    assert sum(parameter.shape == (11, 8) for parameter in model.parameters()) == 1


def test_forget_gates_begin_open():
    layers = recurrent_layers("lstm", 5, 4, 2, bidirectional=True)
    for name in ("l0", "l0_reverse", "l1", "l1_reverse"):
        total = getattr(layers, f"bias_ih_{name}") + getattr(layers, f"bias_hh_{name}")
        assert total[4:8].tolist() == [1.0] * 4


@pytest.mark.parametrize("cell", CELLS)
def test_captioner_is_not_changed_by_padding_or_by_other_images(cell):
    model = Captioner(cell, 9, 5, 6, 2, 3).eval()
    images, words = torch.rand(3, 3, 16, 16), torch.randint(4, 9, (5, 3))
    logits = model(images, words, torch.tensor([5, 2, 4]))
    assert logits.shape == (5, 3, 9)
    alone = model(images[1:2], words[:2, 1:2], torch.tensor([2]))
    torch.testing.assert_close(logits[:2, 1:2], alone)
    assert not torch.allclose(model(images.flip(0), words, torch.tensor([5, 2, 4]))[0], logits[0])


@pytest.mark.parametrize("cell", CELLS)
def test_captioner_step_by_step_equals_the_whole_caption(cell):
    model = Captioner(cell, 9, 5, 6, 2, 3).eval()
    images, words = torch.rand(2, 3, 20, 20), torch.randint(4, 9, (4, 2))
    whole = model(images, words, torch.tensor([4, 4]))
    state = model.start(images)
    for t in range(4):
        logits, state = model.advance(words[t], state)
        torch.testing.assert_close(logits, whole[t])


def translator(cell, layers=2):
    if cell == "transformer":
        return TransformerTranslator(10, 9, 6, layers, 3).eval()
    return Translator(cell, 10, 9, 5, 6, layers).eval()


SOURCE = torch.tensor([[4, 7], [5, 8], [6, PAD], [9, PAD]])


@pytest.mark.parametrize("cell", [*CELLS, "transformer"])
def test_translator_is_not_changed_by_padding_or_by_later_words(cell):
    model, words = translator(cell), torch.randint(4, 9, (3, 2))
    logits, _ = model(SOURCE, torch.tensor([4, 2]), words, torch.tensor([3, 3]))
    alone, _ = model(SOURCE[:2, 1:], torch.tensor([2]), words[:2, 1:], torch.tensor([2]))
    torch.testing.assert_close(logits[:2, 1:], alone)


@pytest.mark.parametrize("cell", CELLS)
def test_attention_looks_at_every_real_source_word_and_no_other(cell):
    model, words = translator(cell), torch.randint(4, 9, (3, 2))
    _, weights = model(SOURCE, torch.tensor([4, 2]), words, torch.tensor([3, 3]))
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(3, 2))
    assert (weights[:, 1, 2:] == 0).all()
    assert (weights[:, 0] > 0).all()


@pytest.mark.parametrize("cell", [*CELLS, "transformer"])
def test_translator_step_by_step_equals_the_whole_target(cell):
    model, words = translator(cell), torch.randint(4, 9, (3, 2))
    whole, _ = model(SOURCE, torch.tensor([4, 2]), words, torch.tensor([3, 3]))
    state = model.start(SOURCE, torch.tensor([4, 2]))
    for t in range(3):
        logits, state = model.advance(words[t], state)
        torch.testing.assert_close(logits, whole[t])


def test_sinusoids_turn_at_geometric_frequencies():
    table = sinusoids(50, 8)
    assert table.shape == (50, 8)
    for index in range(4):
        angle = torch.arange(50) / 10_000 ** (2 * index / 8)
        torch.testing.assert_close(table[:, 2 * index], angle.sin(), atol=1e-5, rtol=0)
        torch.testing.assert_close(table[:, 2 * index + 1], angle.cos(), atol=1e-5, rtol=0)


def test_attention_is_a_weighted_mean_in_plain_loops():
    model = translator("gru", 1)
    outputs, memory = torch.randn(2, 1, 6), torch.randn(3, 1, 6)
    real = torch.tensor([[True], [True], [False]])
    logits, weights = model.attend(outputs, memory, real)
    for t in range(2):
        scores = torch.stack([outputs[t, 0] @ model.score.weight.T @ memory[s, 0] for s in range(2)])
        expected = (scores / 6**0.5).softmax(dim=0)
        torch.testing.assert_close(weights[t, 0, :2], expected)
        context = expected[0] * memory[0, 0] + expected[1] * memory[1, 0]
        attended = torch.tanh(model.combine.weight @ torch.cat((context, outputs[t, 0])))
        torch.testing.assert_close(logits[t, 0], model.classifier(attended))


def table_advance(seed, words=6):
    """A language whose next word depends on the two last ones, so that the best first word may not be the best."""
    table = 2 * torch.randn(words, words, words, generator=torch.Generator().manual_seed(seed))

    def advance(word, state):
        logits = table[state[0][0, :, 0], word].clone()
        logits[:, [PAD, BEGIN]] = -torch.inf
        return logits, (word[None, :, None],)

    return advance


START = (torch.zeros(1, 1, 1, dtype=torch.int64),)


def score(advance, words):
    """Log-probability of a sequence with its end, and its length."""
    state, word, total = START, torch.tensor([BEGIN]), 0.0
    for following in words:
        logits, state = advance(word, state)
        total += float(logits.log_softmax(dim=1)[0, following])
        word = torch.tensor([following])
    return total


@pytest.mark.parametrize("seed", range(8))
def test_beam_of_one_is_greedy_and_a_wide_one_finds_the_best(seed):
    advance = table_advance(seed)
    assert beam_search(advance, START, 1, 12) == greedy(advance, START, 12)[0]
    best = max(
        (
            score(advance, [*words, END]) / (length + 1)
            for length in range(3)
            for words in itertools.product((1, 4, 5), repeat=length)
        ),
    )
    found = beam_search(advance, START, 200, 3)
    if len(found) < 3:
        assert score(advance, [*found, END]) / (len(found) + 1) >= best - 1e-6


def test_greedy_ends_each_sequence_at_its_own_end():
    script = torch.tensor([[4, 5, END, 4, 4], [5, END, 4, 4, 4], [4, 4, 4, 4, 4]])

    def advance(words, state):
        t = int(state[0][0, 0, 0])
        return torch.nn.functional.one_hot(script[:, t], 6).float(), (state[0] + 1,)

    assert greedy(advance, (torch.zeros(1, 3, 1),), 5) == [[4, 5], [5], [4, 4, 4, 4, 4]]
