"""Writing a sequence word by word: the best word each time, or a small beam."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from traces.corpora.vocabulary import BEGIN, END
from traces.torch_frontend.models.recurrent import State

Advance = Callable[[Tensor, State], tuple[Tensor, State]]
"""Reads one word of each sequence, int64 [B], and returns logits [B, V] and the next state. Every tensor of a state
has the batch in axis 1."""


def greedy(advance: Advance, state: State, longest: int) -> list[list[int]]:
    """Take the most probable word each time.

    Parameters
    ----------
    advance : Advance
    state : tuple of Tensor
        The first state of B sequences.
    longest : int
        Largest number of words; a sequence that has not ended is cut there.

    Returns
    -------
    list of B lists of int
        Without `BEGIN` and `END`.
    """
    B = state[0].shape[1]
    words = torch.full((B,), BEGIN, device=state[0].device)
    ended = torch.zeros(B, dtype=torch.bool, device=words.device)
    written: list[list[int]] = [[] for _ in range(B)]
    for _ in range(longest):
        logits, state = advance(words, state)
        words = logits.argmax(dim=1)
        ended |= words == END
        if ended.all():
            break
        for index in (~ended).nonzero()[:, 0].tolist():
            written[index].append(int(words[index]))
    return written


def beam_search(advance: Advance, state: State, width: int, longest: int) -> list[int]:
    """Keep the best beginnings of one sequence, by log-probability; the end is chosen by the mean per word.

    Parameters
    ----------
    advance : Advance
    state : tuple of Tensor
        The first state of one sequence.
    width : int
        Beginnings kept; 1 is `greedy`.
    longest : int
        Largest number of words.

    Returns
    -------
    list of int
        Without `BEGIN` and `END`.
    """
    words = torch.tensor([BEGIN], device=state[0].device)
    beams: list[list[int]] = [[]]
    scores = torch.zeros(1, dtype=torch.float64)
    finished: list[tuple[float, list[int]]] = []
    for length in range(1, longest + 1):
        logits, state = advance(words, state)
        totals = scores[:, None] + logits.log_softmax(dim=1).double().cpu()
        # 2 * width candidates: should half of them end here, width others go on.
        best, places = totals.flatten().topk(min(2 * width, totals.numel()))
        kept: list[tuple[float, int, int]] = []
        for rank, (score, place) in enumerate(zip(best.tolist(), places.tolist(), strict=True)):
            beam, word = divmod(place, totals.shape[1])
            if word == END:
                if rank < width:
                    finished.append((score / length, beams[beam]))
            elif len(kept) < width:
                kept.append((score, beam, word))
        if not kept or len(finished) >= width:
            break
        beams = [[*beams[beam], word] for _, beam, word in kept]
        scores = torch.tensor([score for score, _, _ in kept], dtype=torch.float64)
        rows = torch.tensor([beam for _, beam, _ in kept], device=words.device)
        words = torch.tensor([word for _, _, word in kept], device=words.device)
        state = tuple(part.index_select(1, rows) for part in state)
    else:
        finished += [(float(score) / longest, beam) for score, beam in zip(scores, beams, strict=True)]
    return max(finished, key=lambda one: one[0])[1]
