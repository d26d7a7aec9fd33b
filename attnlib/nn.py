"""Attention as torch modules: learned projections around attention, a cache, and an encoder layer.

Like attnlib.distributed, this module imports torch.
"""

import torch
from torch import Tensor, nn

from attnlib._checks import require_divisible, require_integer
from attnlib.formula import attention
from attnlib.heads import merge_heads, split_heads

ACTIVATIONS = {"relu": nn.functional.relu, "gelu": nn.functional.gelu}


class KeyValueCache:
    """The keys and values of the words that one layer has read, so that none is computed twice.

    key is (..., H, n, d_k) and value (..., H, n, d_v) after n words; both are None before the
    first. Each append copies them to a longer tensor; production caches preallocate.

    Source:
        Shazeer 2019, section 2.4 (incremental decoding).

    Example:
        >>> cache = KeyValueCache()
        >>> key, value = cache.append(torch.ones(2, 1, 4), torch.ones(2, 1, 4))
        >>> cache.append(key, value)[0].shape, len(cache)
        (torch.Size([2, 2, 4]), 2)
    """

    def __init__(self):
        self.key = self.value = None

    def __len__(self) -> int:
        return 0 if self.key is None else self.key.shape[-2]

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of N words after those of the n before.

        Args:
            key: (..., H, N, d_k).
            value: (..., H, N, d_v).

        Returns:
            All keys (..., H, n + N, d_k) and all values (..., H, n + N, d_v).

        Raises:
            ValueError: If an axis other than the words differs from what the cache holds.
        """
        if self.key is None:
            self.key, self.value = key, value
            return key, value
        for name, new, kept in (("key", key, self.key), ("value", value, self.value)):
            if new.shape[:-2] + new.shape[-1:] != kept.shape[:-2] + kept.shape[-1:]:
                *lead, _, width = kept.shape
                expected = ", ".join(map(str, (*lead, "N", width)))
                raise ValueError(
                    f"{name}: got shape {tuple(new.shape)}, expected ({expected}) as in the cache"
                )
        self.key = torch.cat([self.key, key], dim=-2)
        self.value = torch.cat([self.value, value], dim=-2)
        return self.key, self.value


class MultiHeadAttention(nn.Module):
    """Project, attend in num_heads heads at once, put the heads side by side, project again.

    The weights W_Q, W_K, W_V and W_O are nn.Linear layers with torch's default initialisation.

    Args:
        d_model: The width of the embeddings and of the output.
        num_heads: H, which divides d_model.
        bias: Whether the projections have a bias.

    Raises:
        TypeError: If num_heads is not an integer.
        ValueError: If num_heads does not divide d_model.

    Source:
        Vaswani et al. 2017, section 3.2.2.

    Example:
        >>> MultiHeadAttention(8, 2)(*[torch.ones(1, 3, 8)] * 3).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, d_model: int, num_heads: int, *, bias: bool = True):
        super().__init__()
        require_integer("d_model", d_model, least=1)
        require_divisible("d_model", d_model, num_heads)
        self.num_heads = num_heads
        self.W_Q = nn.Linear(d_model, d_model, bias=bias)
        self.W_K = nn.Linear(d_model, d_model, bias=bias)
        self.W_V = nn.Linear(d_model, d_model, bias=bias)
        self.W_O = nn.Linear(d_model, d_model, bias=bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        return_weights: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Let N queries attend to M keys; self-attention is forward(X, X, X).

        Args:
            query: (..., N, d_model).
            key: (..., M, d_model).
            value: (..., M, d_model).
            attn_mask: Broadcasts to (..., H, N, M); bool (True = may attend: the opposite of
                nn.MultiheadAttention) or additive.
            is_causal: Whether query i sees only keys 0 to i.
            return_weights: Whether to return the weights too.
            cache: The n words read before, to which these M are added: the N queries see n + M
                keys, query i only keys 0 to n + i. It needs is_causal.

        Returns:
            (..., N, d_model); with return_weights also the weights (..., H, N, M).

        Raises:
            TypeError: As in attention.
            ValueError: As in attention, or if there is a cache and is_causal is False.
        """
        query = split_heads(self.W_Q(query), self.num_heads)  # (..., H, N, d_k)
        key = split_heads(self.W_K(key), self.num_heads)  # (..., H, M, d_k)
        value = split_heads(self.W_V(value), self.num_heads)  # (..., H, M, d_v)
        words_before = 0
        if cache is not None:
            if not is_causal:  # an earlier word would have to look at the new ones
                raise ValueError("is_causal: got False with a cache, expected True")
            words_before = len(cache)
            key, value = cache.append(key, value)  # M is n + M from here on
        mixed = attention(
            query,
            key,
            value,
            attn_mask=attn_mask,
            is_causal=is_causal,
            causal_offset=words_before,
            return_weights=return_weights,
        )
        heads_out, *weights = mixed if return_weights else (mixed,)  # (..., H, N, d_v)
        out = self.W_O(merge_heads(heads_out))  # (..., N, H·d_v) -> (..., N, d_model)
        return (out, *weights) if return_weights else out

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> "MultiHeadAttention":
        """Return a copy of torch's module, whose in_proj_weight stacks W_Q, W_K and W_V.

        Args:
            module: An nn.MultiheadAttention with batch_first=True.

        Returns:
            A MultiHeadAttention with the same weights, dtype and device.

        Raises:
            ValueError: If it has what this module lacks: keys or values of another width, bias_k
                and bias_v, add_zero_attn, dropout, or batch_first=False.

        Example:
            >>> theirs = nn.MultiheadAttention(8, 2, batch_first=True)
            >>> MultiHeadAttention.from_torch(theirs).num_heads
            2
        """
        if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
            raise ValueError("module: got kdim, vdim, add_bias_kv or add_zero_attn, expected none")
        if not module.batch_first:
            raise ValueError("module: got batch_first=False, expected True: (B, N, d_model)")
        if module.dropout:
            raise ValueError(f"module: got dropout={module.dropout}, expected 0")
        bias = module.in_proj_bias is not None
        copy = cls(module.embed_dim, module.num_heads, bias=bias).to(module.in_proj_weight)
        stacked = {"weight": module.in_proj_weight, "bias": module.in_proj_bias}  # (3·d_model, ...)
        with torch.no_grad():
            for name, stack in stacked.items():
                if stack is None:
                    continue
                for ours, theirs in zip(
                    (copy.W_Q, copy.W_K, copy.W_V), stack.chunk(3), strict=True
                ):
                    getattr(ours, name).copy_(theirs)
        copy.W_O.load_state_dict(module.out_proj.state_dict())
        return copy


class EncoderLayer(nn.Module):
    """Let the words exchange content, then let each word work on its own; add both to the stream.

    There is no dropout.

    Args:
        d_model: The width of the stream.
        num_heads: H, which divides d_model.
        d_hidden: The width inside the MLP.
        norm_first: Whether to normalise what enters the two parts (pre-norm) instead of the sum
            that leaves them (post-norm).
        activation: "relu" or "gelu".
        bias: Whether projections, MLP and norms have a bias.

    Raises:
        TypeError: If num_heads is not an integer.
        ValueError: If num_heads does not divide d_model, or the activation is unknown.

    Source:
        Vaswani et al. 2017, sections 3.1 and 3.3; Xiong et al. 2020 for norm_first.

    Example:
        >>> EncoderLayer(8, 2, 16)(torch.ones(1, 3, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_hidden: int,
        *,
        norm_first: bool = False,
        activation: str = "relu",
        bias: bool = True,
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: got {activation!r}, expected 'relu' or 'gelu'")
        self.norm_first, self.activation = norm_first, ACTIVATIONS[activation]
        self.self_attention = MultiHeadAttention(d_model, num_heads, bias=bias)
        self.widen = nn.Linear(d_model, d_hidden, bias=bias)
        self.narrow = nn.Linear(d_hidden, d_model, bias=bias)
        self.norm_attention = nn.LayerNorm(d_model, bias=bias)
        self.norm_mlp = nn.LayerNorm(d_model, bias=bias)

    def forward(
        self,
        X: Tensor,
        *,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Run the layer; masks and cache are those of MultiHeadAttention.

        Args:
            X: (..., N, d_model).
            attn_mask: Broadcasts to (..., H, N, N); bool (True = may attend) or additive.
            is_causal: Whether word i sees only words 0 to i.
            cache: The n words read before; it needs is_causal.

        Returns:
            (..., N, d_model).

        Raises:
            TypeError: As in attention.
            ValueError: As in attention, or if there is a cache and is_causal is False.
        """
        masks = {"attn_mask": attn_mask, "is_causal": is_causal, "cache": cache}
        if self.norm_first:
            Z = self.norm_attention(X)  # (..., N, d_model)
            X = X + self.self_attention(Z, Z, Z, **masks)
            return X + self.mlp(self.norm_mlp(X))
        X = self.norm_attention(X + self.self_attention(X, X, X, **masks))
        return self.norm_mlp(X + self.mlp(X))

    def mlp(self, X: Tensor) -> Tensor:
        """Work on each word alone, in two linear layers with the activation between them.

        Args:
            X: (..., N, d_model).

        Returns:
            (..., N, d_model); between the two layers the width is d_hidden.
        """
        return self.narrow(self.activation(self.widen(X)))

    @classmethod
    def from_torch(cls, layer: nn.TransformerEncoderLayer) -> "EncoderLayer":
        """Return a copy of torch's layer.

        Args:
            layer: An nn.TransformerEncoderLayer with batch_first=True and no dropout.

        Returns:
            An EncoderLayer with the same weights, dtype and device.

        Raises:
            ValueError: If it has dropout, batch_first=False, or an activation other than relu and
                gelu.

        Example:
            >>> layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0, batch_first=True)
            >>> EncoderLayer.from_torch(layer).norm_first
            False
        """
        if any(part.p for part in (layer.dropout, layer.dropout1, layer.dropout2)):
            raise ValueError(f"layer: got dropout={layer.dropout.p}, expected 0")
        known = [name for name, function in ACTIVATIONS.items() if function is layer.activation]
        copy = cls(
            layer.linear1.in_features,
            layer.self_attn.num_heads,
            layer.linear1.out_features,
            norm_first=layer.norm_first,
            activation=known[0] if known else str(layer.activation),
            bias=layer.linear1.bias is not None,
        ).to(layer.linear1.weight)
        copy.self_attention = MultiHeadAttention.from_torch(layer.self_attn)
        for ours, theirs in (
            (copy.widen, layer.linear1),
            (copy.narrow, layer.linear2),
            (copy.norm_attention, layer.norm1),
            (copy.norm_mlp, layer.norm2),
        ):
            ours.load_state_dict(theirs.state_dict())
        copy.norm_attention.eps, copy.norm_mlp.eps = layer.norm1.eps, layer.norm2.eps
        return copy
