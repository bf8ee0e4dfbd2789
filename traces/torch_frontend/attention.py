"""``nn.MultiheadAttention`` whose four projections are linear layers of the trace: q, k, v and out.

The products of queries with keys and of weights with values have no weights; they are computed as PyTorch does, and
their gradients are not thresholded.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from traces.torch_frontend.linear import gated_linear
from traces.torch_frontend.tap import Tap, Tensor

PROJECTIONS = ("q", "k", "v", "out")


class SparseMultiheadAttention(nn.MultiheadAttention):
    """An ``nn.MultiheadAttention`` whose projections' gradients are thresholded."""

    taps: list[Tap]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Compute what ``nn.MultiheadAttention`` does."""
        if not torch.is_grad_enabled():
            masks = key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
            return super().forward(query, key, value, *masks)
        if is_causal and attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        batched = query.dim() == 3
        if not batched:
            query, key, value = (x.unsqueeze(1) for x in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = (
            gated_linear(x, W, b, tap, time_first=True)
            for x, (W, b), tap in zip((query, key, value), self._projections(), self.taps[:3], strict=True)
        )
        (L, N, E), S, heads = q.shape, len(k), self.num_heads
        width = E // heads
        # As PyTorch: a mask that is only causal is left to the kernel.
        causal = is_causal and key_padding_mask is None and not need_weights
        mask = None if causal else _mask(attn_mask, key_padding_mask, N, heads, q.dtype)
        q, k, v = (x.reshape(len(x), N * heads, width).transpose(0, 1) for x in (q, k, v))
        share = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scaled = q * math.sqrt(1.0 / width)
            flat = None if mask is None else mask.expand(N, heads, L, S).reshape(N * heads, L, S)
            scores = scaled @ k.transpose(1, 2) if flat is None else torch.baddbmm(flat, scaled, k.transpose(1, 2))
            odds = functional.dropout(functional.softmax(scores, -1), share) if share else scores.softmax(-1)
            out = (odds @ v).transpose(0, 1).reshape(L, N, E)
            weights = odds.view(N, heads, L, S)
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            q, k, v = (x.reshape(N, heads, -1, width) for x in (q, k, v))
            out = functional.scaled_dot_product_attention(q, k, v, mask, share, causal)
            out = out.permute(2, 0, 1, 3).reshape(L, N, E)
        y = gated_linear(out, self.out_proj.weight, self.out_proj.bias, self.taps[3], time_first=True)
        if not batched:
            return y.squeeze(1), None if weights is None else weights.squeeze(0)
        return y.transpose(0, 1) if self.batch_first else y, weights

    def _projections(self) -> list[tuple[Tensor, Tensor | None]]:
        if self._qkv_same_embed_dim:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = (None, None, None) if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        return list(zip(weights, biases, strict=True))


def _mask(attention: Tensor | None, padding: Tensor | None, N: int, heads: int, dtype: Any) -> Tensor | None:
    """Add up the masks as numbers that are added to the scores, broadcastable to [N, heads, L, S]."""
    total = None
    if attention is not None:
        total = _additive(attention, dtype)
        total = total[None, None] if total.dim() == 2 else total.view(N, heads, *total.shape[1:])
    if padding is not None:
        added = _additive(padding, dtype)[:, None, None]
        total = added if total is None else total + added
    return total


def _additive(mask: Tensor, dtype: Any) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)
