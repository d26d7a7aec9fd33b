"""The two modules against torch's own, with the same weights: outputs, weights, gradients."""

import numpy as np
import pytest
import torch

from attnlib.nn import EncoderLayer, KeyValueCache, MultiHeadAttention
from tests.support.kinds import TORCH_KINDS, assert_as_exact_as_torch, draw, make

B, H, N, M, D_MODEL, D_HIDDEN = 2, 3, 4, 5, 6, 11
DOUBLE = {"dtype": torch.float64}
rng = torch.Generator().manual_seed(0)
SEEN = torch.rand(N, M, generator=rng) < 0.6
SEEN[:, 0] = True  # torch gives NaN where a row may attend to nothing
ADDED = torch.randn(N, M, generator=rng, dtype=torch.float64)
LENGTHS_SEEN = torch.arange(M) < torch.tensor([2, 5])[:, None]  # (B, M)

# ours, True = may attend; torch's module, True = hidden
MASKS = {
    "none": ({}, {}),
    "boolean": ({"attn_mask": SEEN}, {"attn_mask": ~SEEN}),
    "additive": ({"attn_mask": ADDED}, {"attn_mask": ADDED}),
    "padding": ({"attn_mask": LENGTHS_SEEN[:, None, None]}, {"key_padding_mask": ~LENGTHS_SEEN}),
    "causal": ({"is_causal": True}, {"attn_mask": torch.ones(N, M, dtype=bool).triu(1)}),
}
each_mask = pytest.mark.parametrize("ours, theirs", MASKS.values(), ids=MASKS)


def attention_pair(bias=True, **options):
    """Return torch's module with random weights and biases, and ours with the same."""
    theirs = torch.nn.MultiheadAttention(
        D_MODEL, H, bias=bias, batch_first=True, **DOUBLE | options
    )
    return randomise(theirs), MultiHeadAttention.from_torch(theirs)


def layer_pair(**options):
    """Return torch's layer with random weights and biases, and ours with the same."""
    theirs = torch.nn.TransformerEncoderLayer(
        D_MODEL, H, D_HIDDEN, dropout=0, batch_first=True, **DOUBLE | options
    )
    return randomise(theirs), EncoderLayer.from_torch(theirs)


def randomise(module):
    """Fill every parameter: torch starts biases at 0 and norms at 1, where mistakes hide."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            fresh = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(fresh / parameter.shape[-1] ** 0.5)
    return module


def assert_gradients_equal(ours, theirs, out, expected, inputs):
    """Compare the gradients of the inputs, and those of all parameters."""
    loss, torchs_loss = (x.square().sum() for x in (out, expected))
    mine = torch.autograd.grad(loss, [*inputs, *ours.parameters()])
    their = torch.autograd.grad(torchs_loss, [*inputs, *theirs.parameters()])
    for x, y in zip(mine[: len(inputs)], their[: len(inputs)], strict=True):
        assert_equal(x, y)
    assert_equal(entries(mine[len(inputs) :]), entries(their[len(inputs) :]))


def entries(tensors):
    """Return all entries in increasing order: torch stacks in one tensor what we keep in three."""
    return torch.cat([t.flatten() for t in tensors]).sort().values


def inputs_of(*shapes):
    return [torch.tensor(x).requires_grad_() for x in draw(*shapes)]


def assert_equal(ours, theirs):
    torch.testing.assert_close(
        ours, theirs, rtol=0, atol=1e-12 * float(theirs.detach().abs().max())
    )


@each_mask
@pytest.mark.parametrize("bias", [True, False])
def test_attention_equals_torchs_module(ours, theirs, bias):
    torchs, module = attention_pair(bias)
    X = inputs_of((B, N, D_MODEL), (B, M, D_MODEL), (B, M, D_MODEL))
    expected, torchs_weights = torchs(*X, average_attn_weights=False, **theirs)
    out, weights = module(*X, return_weights=True, **ours)
    assert_equal(out, expected)
    assert_equal(weights, torchs_weights)
    assert_gradients_equal(module, torchs, out, expected, X)


def test_self_attention_equals_torchs_module():
    torchs, module = attention_pair()
    (X,) = inputs_of((B, N, D_MODEL))
    out, expected = module(X, X, X), torchs(X, X, X)[0]
    assert_equal(out, expected)
    assert_gradients_equal(module, torchs, out, expected, [X])


def test_a_row_that_sees_nothing_gives_the_bias_of_the_last_projection():
    _, module = attention_pair()
    X = inputs_of((B, N, D_MODEL))[0]
    hidden = torch.zeros(N, N, dtype=bool)
    assert torch.equal(module(X, X, X, attn_mask=hidden), module.W_O.bias.expand(B, N, -1))


@pytest.mark.parametrize("kind", TORCH_KINDS)
def test_attention_keeps_dtype_and_device(kind):
    (X,) = make(kind, *draw((B, N, D_MODEL)))
    torchs, module = (m.to(X) for m in attention_pair())
    exact = torchs.double()(*[X.double()] * 3)[0]
    out = module(X, X, X)
    assert kind.holds(out)
    assert_as_exact_as_torch(out, torchs.to(X)(X, X, X)[0], exact)


LAYER_MASKS = {
    "none": ({}, {}),
    "boolean": ({"attn_mask": SEEN[:, :N]}, {"src_mask": ~SEEN[:, :N]}),
    "causal": ({"is_causal": True}, {"src_mask": torch.ones(N, N, dtype=bool).triu(1)}),
    "padding": (
        {"attn_mask": LENGTHS_SEEN[:, None, None, :N]},
        {"src_key_padding_mask": ~LENGTHS_SEEN[:, :N]},
    ),
}


@pytest.mark.parametrize("ours, theirs", LAYER_MASKS.values(), ids=LAYER_MASKS)
@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_layer_equals_torchs_layer(ours, theirs, norm_first, activation):
    torchs, layer = layer_pair(norm_first=norm_first, activation=activation)
    (X,) = inputs_of((B, N, D_MODEL))
    out, expected = layer(X, **ours), torchs(X, **theirs)
    assert_equal(out, expected)
    assert_gradients_equal(layer, torchs, out, expected, [X])


@pytest.mark.parametrize("options", [{"bias": False}, {"layer_norm_eps": 0.3}], ids=str)
def test_the_layers_copy_keeps_every_setting(options):
    torchs, layer = layer_pair(**options)
    (X,) = inputs_of((B, N, D_MODEL))
    assert_equal(layer(X), torchs(X))


def test_a_fresh_module_has_the_settings_that_it_was_given():
    layer = EncoderLayer(D_MODEL, H, D_HIDDEN, norm_first=True, activation="gelu", bias=False)
    torchs = torch.nn.TransformerEncoderLayer(D_MODEL, H, D_HIDDEN, bias=False)
    count = lambda module: sum(p.numel() for p in module.parameters())  # noqa: E731
    assert count(layer) == count(torchs)
    assert layer.norm_first and layer.activation is torch.nn.functional.gelu


# --- the cache: reading piece by piece is reading at once


@pytest.mark.parametrize("seed", range(8))
def test_cached_equals_recomputed_over_random_shapes_and_pieces(seed):
    rng = np.random.default_rng(seed)
    batch, heads, width, length = (int(rng.integers(1, high)) for high in (4, 5, 6, 14))
    torch.manual_seed(seed)
    layers = [
        EncoderLayer(heads * width, heads, 7, norm_first=bool(seed % 2)).double() for _ in range(2)
    ]
    X = torch.tensor(rng.normal(size=(batch, length, heads * width)))
    whole = X
    for layer in layers:
        whole = layer(whole, is_causal=True)
    caches, done = [KeyValueCache() for _ in layers], []
    cuts = sorted({0, length, *rng.integers(0, length + 1, size=3).tolist()})
    for begin, end in zip(cuts, cuts[1:], strict=False):
        piece = X[:, begin:end]
        for layer, kept in zip(layers, caches, strict=True):
            piece = layer(piece, is_causal=True, cache=kept)
        done.append(piece)
        assert {len(kept) for kept in caches} == {end}
    assert_equal(torch.cat(done, dim=1), whole)
    assert caches[0].key.shape == caches[1].value.shape == (batch, heads, length, width)


def test_the_cache_holds_the_keys_and_values_of_each_head():
    torch.manual_seed(0)
    module, X = MultiHeadAttention(6, 3).double(), torch.randn(2, 5, 6, dtype=torch.float64)
    kept = KeyValueCache()
    for word in X.unbind(1):
        module(*[word[:, None]] * 3, is_causal=True, cache=kept)
    for ours, W in ((kept.key, module.W_K), (kept.value, module.W_V)):
        for h in range(3):
            own = slice(2 * h, 2 * h + 2)
            assert_equal(ours[:, h], X @ W.weight[own].mT + W.bias[own])


def test_gradients_flow_through_the_cache():
    torch.manual_seed(0)
    layer = EncoderLayer(6, 2, 5).double()
    X = torch.randn(1, 4, 6, dtype=torch.float64, requires_grad=True)
    kept = KeyValueCache()
    for word in X.split(1, dim=1):
        out = layer(word, is_causal=True, cache=kept)  # of the last word
    expected = layer(X, is_causal=True)[:, -1:]
    along = torch.randn(6, dtype=torch.float64)  # the sum of a normalised row is constant
    ours, theirs = (torch.autograd.grad((x @ along).sum(), X)[0] for x in (out, expected))
    assert_equal(ours, theirs)
    assert theirs[:, 0].abs().max() > 0.01  # the first word's key and value matter


# --- refusals


def keys(*shape):
    return torch.zeros(shape)


def filled_cache():
    kept = KeyValueCache()
    kept.append(keys(2, 3, 4), keys(2, 3, 5))
    return kept


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: MultiHeadAttention(7, 2), "d_model: got 7, expected a multiple of num_heads = 2"),
        (lambda: attention_pair(kdim=5), "module: got kdim"),
        (lambda: attention_pair(add_bias_kv=True), "module: got kdim, vdim, add_bias_kv"),
        (lambda: attention_pair(add_zero_attn=True), "module: got kdim, vdim, add_bias_kv"),
        (lambda: attention_pair(dropout=0.1), "module: got dropout=0.1, expected 0"),
        (
            lambda: MultiHeadAttention.from_torch(torch.nn.MultiheadAttention(6, 2)),
            "module: got batch_first=False, expected",
        ),
        (lambda: EncoderLayer(6, 2, 8, activation="tanh"), "activation: got 'tanh', expected"),
        (
            lambda: EncoderLayer.from_torch(torch.nn.TransformerEncoderLayer(6, 2, 8, dropout=0.2)),
            "layer: got dropout=0.2, expected 0",
        ),
        (lambda: layer_pair(activation=torch.nn.Tanh()), r"activation: got 'Tanh\(\)', expected"),
        (
            lambda: filled_cache().append(keys(2, 1, 3), keys(2, 1, 5)),
            r"key: got shape \(2, 1, 3\), expected \(2, N, 4\) as in the cache",
        ),
        (
            lambda: filled_cache().append(keys(2, 1, 4), keys(1, 1, 5)),
            r"value: got shape \(1, 1, 5\), expected \(2, N, 5\) as in the cache",
        ),
        (
            lambda: MultiHeadAttention(6, 2)(*[keys(1, 1, 6)] * 3, cache=KeyValueCache()),
            "is_causal: got False with a cache, expected True",
        ),
    ],
)
def test_errors_name_the_argument_and_what_came(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


def test_a_number_of_heads_is_an_integer():
    with pytest.raises(TypeError, match="^num_heads: got 1.5, expected an integer"):
        MultiHeadAttention(6, 1.5)


def test_a_refused_append_leaves_the_cache_as_it_was():
    kept = filled_cache()
    with pytest.raises(ValueError):
        kept.append(keys(2, 1, 4), keys(1, 1, 5))
    assert kept.key.shape == (2, 3, 4) and kept.value.shape == (2, 3, 5)
