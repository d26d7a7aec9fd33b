"""Self-attention, the same formula on NumPy arrays and torch tensors.

    formula          the steps of attention, attention itself, and merge for partial results
    masks            causal, window, dilated and padding masks
    heads            several heads: split, attend, merge
    positions        sinusoidal and rotary positions
    dilated          dilated attention
    implementations  other ways to the same result: block by block, and one kernel for the GPU
    distributed      attention over a sequence that several processes share
    nn               torch modules: multi-head attention, a key/value cache, an encoder layer

Importing attnlib does not import torch, which is needed only for tensors. The modules nn and
distributed need it, so they are imported by name.
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

# attnlib.implementations is this function and also a package: the attribute is the function, and
# "from attnlib.implementations import ..." still finds the package, because imports do not
# consult this attribute.
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
