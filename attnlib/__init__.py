"""Self-attention, the same formula on NumPy arrays and torch tensors.

The formula is in steps, masks in masks, heads in heads, what is refused in checks. The modules nn,
recall, sparse_recall, composition, language_model, pretrained, ring, sharded_dilated and launch
import torch: import them by name.
"""

from attnlib import exercises, plots, show, small_model
from attnlib.device import processor, torch_device
from attnlib.dilated import dilated_attention
from attnlib.dispatch import implementations
from attnlib.heads import merge_heads, multi_head_attention, split_heads
from attnlib.masks import causal_mask, dilated_mask, padding_mask, window_mask
from attnlib.merge import merge
from attnlib.positions import rotary, sinusoidal_positions
from attnlib.steps import attention, log_sum_exp, project, scores, softmax, weighted_sum

__all__ = [
    "attention",
    "causal_mask",
    "dilated_attention",
    "dilated_mask",
    "exercises",
    "implementations",
    "log_sum_exp",
    "merge",
    "merge_heads",
    "multi_head_attention",
    "padding_mask",
    "plots",
    "processor",
    "project",
    "rotary",
    "scores",
    "show",
    "sinusoidal_positions",
    "small_model",
    "softmax",
    "split_heads",
    "torch_device",
    "weighted_sum",
    "window_mask",
]
