"""Self-attention, the same formula on NumPy arrays and torch tensors.

The formula is in formula, masks in masks, heads in heads, what is refused in _checks; other ways to
the same result are in implementations. The modules nn and distributed import torch: import them by
name.
"""

from attnlib.dilated import dilated_attention
from attnlib.formula import (
    attention,
    log_sum_exp,
    merge,
    project,
    scores,
    softmax,
    weighted_sum,
)
from attnlib.heads import merge_heads, multi_head_attention, split_heads
from attnlib.implementations.choose import implementations
from attnlib.masks import causal_mask, dilated_mask, padding_mask, window_mask
from attnlib.positions import rotary, sinusoidal_positions

__version__ = "0.1.0"

__all__ = [
    "attention",
    "causal_mask",
    "dilated_attention",
    "dilated_mask",
    "implementations",
    "log_sum_exp",
    "merge",
    "merge_heads",
    "multi_head_attention",
    "padding_mask",
    "project",
    "rotary",
    "scores",
    "sinusoidal_positions",
    "softmax",
    "split_heads",
    "weighted_sum",
    "window_mask",
]
