"""attention and its steps against torch and the float64 loop, on every kind of array."""

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from attnlib import attention, log_sum_exp, project, scores, softmax, weighted_sum
from attnlib.implementations import blocks, blockwise_torch
from tests.support import reference
from tests.support.kinds import (
    CPU_KINDS,
    DOUBLE_KINDS,
    KINDS,
    NUMPY_KINDS,
    TORCH_WAYS,
    WAYS,
    as_torch,
    assert_as_exact_as_torch,
    draw,
    float64,
    make,
)

# a warning in a notebook would be an output that no cell printed
pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

B, H, N, M, D_K, D_V = 2, 3, 4, 5, 6, 7
SHAPES = (B, H, N, D_K), (B, H, M, D_K), (B, H, M, D_V)
FEW = settings(derandomize=True, deadline=None, max_examples=40)

rng = np.random.default_rng(1)
BOOLEAN = rng.random((B, H, N, M)) < 0.5
BOOLEAN[:, :, 1] = False  # the second query may attend to nothing
ADDITIVE = np.where(BOOLEAN, rng.normal(size=BOOLEAN.shape), -np.inf)
OPTIONS = {
    "plain": {},
    "scale": {"scale": 0.3},
    "negative scale": {"scale": -1},
    "boolean": {"attn_mask": BOOLEAN},
    "additive": {"attn_mask": ADDITIVE},
    "finite additive": {"attn_mask": rng.normal(size=(N, M))},
    "padding": {"attn_mask": BOOLEAN[:, :1, :1]},
    "one mask of keys": {"attn_mask": BOOLEAN[0, 0, 0]},
    "one mask of queries": {"attn_mask": BOOLEAN[0, 0, :, :1]},
    "causal": {"is_causal": True},
    "causal from the bottom right": {"is_causal": True, "causal_offset": M - N},
    "causal, nothing to see at first": {"is_causal": True, "causal_offset": -2},
    "window": {"window": (1, 2)},
    "window on itself": {"window": (0, 0)},
    "window open to the left": {"window": (-1, 1)},
    "window open to the right": {"window": (0, -1), "causal_offset": 1},
    "window past the end": {"window": (1, 0), "causal_offset": 4},
    "open window": {"window": (-1, -1)},
    "causal window": {"window": (1, 3), "is_causal": True, "causal_offset": 1},
    "boolean, causal": {"attn_mask": BOOLEAN, "is_causal": True},
    "boolean, window": {"attn_mask": BOOLEAN, "window": (1, 1)},
    "additive, causal, window": {"attn_mask": ADDITIVE, "is_causal": True, "window": (2, 0)},
    "all": {
        "attn_mask": ADDITIVE,
        "is_causal": True,
        "window": (2, 1),
        "causal_offset": 1,
        "scale": 0.7,
    },
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
each_kind = pytest.mark.parametrize("kind", KINDS)
each_way = pytest.mark.parametrize("kind, implementation", WAYS)
each_implementation = pytest.mark.parametrize("implementation", ["formula", "blockwise"])
each_torch_way = pytest.mark.parametrize("kind, implementation", TORCH_WAYS)


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    """Let 4 queries and 5 keys fill several blocks, the last one in part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", (3, 4))
        patch.setattr(blocks, "BAND_BLOCK", (3, 2))
        patch.setattr(blocks, "PAIRS", 24)
        patch.setattr(blockwise_torch, "is_bfloat16_fast", lambda tensor: True)
        yield


def as_kind(kind, options):
    """Return the options with their mask as this kind."""
    mask = options.get("attn_mask")
    return options if mask is None else options | {"attn_mask": kind.make(mask)}


def allowed_by(num_queries, num_keys, is_causal=False, causal_offset=0, window=None):
    """Return which pairs may meet, by the loop."""
    pairs = [
        [reference.may_meet(i, j, is_causal, causal_offset, window) for j in range(num_keys)]
        for i in range(num_queries)
    ]
    return np.array(pairs, dtype=bool).reshape(num_queries, num_keys)


def torch_mask(query, key, *, attn_mask=None, scale=None, enable_gqa=False, **pairs):
    """Return all that hides pairs as one additive mask for torch, or None."""
    if not pairs and attn_mask is None:
        return None
    added = as_torch(0.0 if attn_mask is None else attn_mask).to(query.device)
    if added.dtype == torch.bool:
        added = torch.zeros(()).to(query).where(added, -math.inf)
    allowed = torch.tensor(allowed_by(query.shape[-2], key.shape[-2], **pairs))
    return added.to(query).where(allowed.to(query.device), -math.inf)


def torch_attention(query, key, value, *, scale=None, enable_gqa=False, **options):
    """Call torch's own attention."""
    query, key, value = map(as_torch, (query, key, value))
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=torch_mask(query, key, **options),
        scale=scale,
        enable_gqa=enable_gqa,
    )


def torch_log_sum_exp(query, key, *, scale=None, enable_gqa=False, **options):
    """Return torch.logsumexp of the scores, in float32 where the dtype is lower."""
    query, key = map(as_torch, (query, key))
    wide = torch.promote_types(query.dtype, torch.float32)
    group = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    keys = key.repeat_interleave(group, -3) if enable_gqa else key
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    S = query.to(wide) @ keys.to(wide).mT * scale
    mask = torch_mask(query, key, **options)
    return torch.logsumexp(S if mask is None else S + mask.to(wide), -1).to(query.dtype)


def check_attention(query, key, value, *, implementation, **options):
    """Hold output, log-sum-exp and the formula's weights against the loop, by torch's error."""
    wanted = {"return_lse": True, "return_weights": implementation == "formula"}
    out, *weights, lse = ours = attention(
        query, key, value, implementation=implementation, **wanted, **options
    )
    mask = options.get("attn_mask")
    in_float64 = {} if mask is None else {"attn_mask": _as_numpy(mask)}
    exact = reference.attention(*map(float64, (query, key, value)), **options | in_float64)

    assert_as_exact_as_torch(out, torch_attention(query, key, value, **options), exact[0])
    for mine in weights:
        eye = torch.eye(key.shape[-2]).to(as_torch(value))  # as values they give the weights back
        eye = eye.expand(*value.shape[:-1], key.shape[-2])
        assert_as_exact_as_torch(mine, torch_attention(query, key, eye, **options), exact[1])

    true = exact[2]
    seen = np.isfinite(true)
    assert np.isneginf(float64(lse)[~seen]).all()
    assert_as_exact_as_torch(lse[seen], torch_log_sum_exp(query, key, **options)[seen], true[seen])
    return ours


def _as_numpy(mask):
    mask = as_torch(mask).cpu()
    return mask.numpy() if "bool" in str(mask.dtype) else float64(mask)


@each_way
@each_option
def test_attention_equals_the_loop(kind, implementation, options):
    inputs = make(kind, *draw(*SHAPES))
    results = check_attention(*inputs, implementation=implementation, **as_kind(kind, options))
    assert all(map(kind.holds, results))


@each_way
@pytest.mark.parametrize("kv_heads", [1, 2, 3, 6])
def test_query_heads_share_key_heads_in_order(kind, implementation, kv_heads):
    shapes = (B, 6, N, D_K), (B, kv_heads, M, D_K), (B, kv_heads, M, D_V)
    inputs = make(kind, *draw(*shapes))
    mask = kind.make(BOOLEAN[:, :1])
    check_attention(*inputs, implementation=implementation, enable_gqa=True, attn_mask=mask)


@each_way
@pytest.mark.parametrize("lead", [(), (3,), (1, 3), (2, 1, 3)], ids=str)
def test_every_leading_axis_is_optional(kind, implementation, lead):
    shapes = (*lead, N, D_K), (*lead, M, D_K), (*lead, M, D_V)
    check_attention(*make(kind, *draw(*shapes)), implementation=implementation, is_causal=True)


@each_way
@pytest.mark.parametrize("n, m", [(1, 5), (4, 1), (1, 1), (0, 5), (4, 0), (0, 0)])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}], ids=["plain", "causal"])
def test_short_sequences(kind, implementation, n, m, options):
    inputs = make(kind, *draw((2, n, D_K), (2, m, D_K), (2, m, D_V)))
    out, *_, lse = check_attention(*inputs, implementation=implementation, **options)
    if m == 0:
        assert not float64(out).any() and np.isneginf(float64(lse)).all()


@each_implementation
@pytest.mark.parametrize("kind", DOUBLE_KINDS)
def test_views_give_what_their_copies_give(kind, implementation):
    query, key, value = make(kind, *draw((B, N, H, D_K), (B, H, D_K, M), (1, H, 2 * M, D_V)))
    stretch = np.broadcast_to if kind.home == "numpy" else torch.broadcast_to
    mask = kind.make(np.array([[True], [False], [True], [True]]))
    check_attention(
        query.swapaxes(1, 2),  # not contiguous
        key.swapaxes(2, 3),
        stretch(value, (B, H, 2 * M, D_V))[:, :, ::2],  # stride 0 and a step
        attn_mask=stretch(mask, (N, M)),
        implementation=implementation,
    )


@each_way
def test_inputs_stay_as_they_were(kind, implementation):
    inputs = [*make(kind, *draw(*SHAPES)), kind.make(ADDITIVE)]
    before = [float64(x).copy() for x in inputs]
    query, key, value, mask = inputs
    attention(
        query, key, value, implementation=implementation, **OPTIONS["all"] | {"attn_mask": mask}
    )
    assert all(map(np.array_equal, before, map(float64, inputs)))


@pytest.mark.parametrize("wanted", ["", "weights", "lse", "weights lse"])
def test_extras_come_in_one_order(wanted):
    inputs = draw(*SHAPES)
    everything = dict(zip(("out", "weights", "lse"), reference.attention(*inputs), strict=True))
    results = attention(*inputs, **{f"return_{extra}": True for extra in wanted.split()})
    results = results if wanted else (results,)
    for name, result in zip(["out", *wanted.split()], results, strict=True):
        np.testing.assert_allclose(result, everything[name], atol=1e-14)


def test_a_worked_number():
    query, key = np.array([[2.0, 0, 0, 0]]), np.array([[0.0, 0, 0, 0], [math.log(3), 0, 0, 0]])
    weights = attention(query, key, np.array([[4.0], [8.0]]), return_weights=True)
    assert np.allclose(weights[0], 7) and np.allclose(weights[1], [1 / 4, 3 / 4])


# --- rows that may attend to nothing, and numbers at the edge


EMPTY_ROWS = {
    "boolean": {"attn_mask": np.arange(N)[:, None] != np.full(M, 1)},
    "additive": {"attn_mask": np.where(np.arange(N)[:, None] == np.full(M, 1), -np.inf, 0.0)},
    "causal": {"is_causal": True, "causal_offset": -2},
    "window": {"window": (0, 0), "causal_offset": -2},
}
each_empty_row = pytest.mark.parametrize("options", EMPTY_ROWS.values(), ids=EMPTY_ROWS)


@each_way
@each_empty_row
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@np.errstate(invalid="ignore")
def test_a_row_that_sees_nothing_gives_zeros_whatever_keys_and_values_hold(
    kind, implementation, options, poison
):
    query, key, value = draw(*SHAPES)
    key[:], value[:] = poison, poison
    out, *weights, lse = attention(
        *make(kind, query, key, value),
        return_weights=implementation == "formula",
        return_lse=True,
        implementation=implementation,
        **as_kind(kind, options),
    )
    assert not any(float64(result)[:, :, 1].any() for result in (out, *weights))
    assert np.isneginf(float64(lse)[:, :, 1]).all()


@each_torch_way
@each_empty_row
def test_a_row_that_sees_nothing_passes_no_gradient(kind, implementation, options):
    query, key, value = (x.requires_grad_() for x in make(kind, *draw(*SHAPES)))
    options = as_kind(kind, options)
    out = attention(query, key, value, implementation=implementation, **options)
    gradients = torch.autograd.grad(out[:, :, 1].sum(), (query, key, value))
    assert not any(gradient.any() for gradient in gradients)


@each_torch_way
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_other_rows_follow_torch_where_a_hidden_value_is_not_finite(kind, implementation, poison):
    query, key, value = draw(*SHAPES)
    value[:, :, 2, 3] = poison
    hidden = np.arange(M) != 2
    inputs = make(kind, query, key, value, hidden)
    with sdpa_kernel(SDPBackend.MATH):
        theirs = scaled_dot_product_attention(*inputs[:3], attn_mask=inputs[3])
    ours = attention(*inputs[:3], attn_mask=inputs[3], implementation=implementation)
    assert ours[..., 3].isnan().all() and torch.equal(ours.isnan(), theirs.isnan())


@each_way
@pytest.mark.parametrize("name", ["plain", "negative scale", "boolean, window", "all"])
def test_scores_of_ten_thousand(kind, implementation, name):
    query, key, value = draw(*SHAPES)
    query, key = 100 * np.sign(query[..., :1]), 100 * np.sign(key[..., :1])
    options = {"scale": 1.0} | as_kind(kind, OPTIONS[name])
    check_attention(*make(kind, query, key, value), implementation=implementation, **options)


@each_torch_way
def test_gradients_stay_finite_at_scores_of_ten_thousand(kind, implementation):
    query, key, value = draw(*SHAPES)
    query, key = 100 * np.sign(query[..., :1]), 100 * np.sign(key[..., :1])
    inputs = [x.requires_grad_() for x in make(kind, query, key, value)]
    out = attention(*inputs, scale=1.0, implementation=implementation)
    gradients = torch.autograd.grad(out.sum(), inputs)
    assert all(gradient.isfinite().all() for gradient in gradients)


@each_way
def test_the_least_float16_as_an_additive_mask(kind, implementation):
    least = float(np.finfo(np.float16).min)
    mask = np.where(BOOLEAN, 0, least)  # a row that is all least is weighed as if unmasked
    inputs = make(kind, *draw(*SHAPES))
    check_attention(*inputs, attn_mask=kind.make(mask), implementation=implementation)


# --- gradients


@each_torch_way
@each_option
def test_gradients_equal_torch(kind, implementation, options):
    *inputs, direction = draw(*SHAPES, (B, H, N, D_V))
    inputs, options = make(kind, *inputs), as_kind(kind, options)
    direction = kind.make(direction)

    def gradients(function, cast=lambda x: x):
        leaves = [cast(x).clone().requires_grad_() for x in inputs]
        mask = options.get("attn_mask")
        if mask is not None and mask.is_floating_point():
            mask = cast(mask)
        out = function(*leaves, **options | ({} if mask is None else {"attn_mask": mask}))
        return torch.autograd.grad(out, leaves, cast(direction))

    ours = gradients(functools.partial(attention, implementation=implementation))
    theirs = gradients(torch_attention)
    exact = gradients(torch_attention, cast=torch.Tensor.double)
    for mine, torchs, true in zip(ours, theirs, exact, strict=True):
        assert kind.holds(mine)
        assert_as_exact_as_torch(mine, torchs, true, among=direction @ inputs[2].mT)


once_and_twice = pytest.mark.parametrize(
    "implementation, check",
    [
        ("formula", torch.autograd.gradcheck),
        ("formula", torch.autograd.gradgradcheck),
        ("blockwise", torch.autograd.gradcheck),  # which has no second derivative
    ],
)


@once_and_twice
@pytest.mark.parametrize("name", ["plain", "scale", "boolean, causal", "additive, causal, window"])
def test_gradients_by_finite_differences(implementation, check, name):
    inputs = [torch.tensor(x[:1, :2]).requires_grad_() for x in draw(*SHAPES)]
    options = as_kind(CPU_KINDS[0], OPTIONS[name])
    if "attn_mask" in options:
        options = options | {"attn_mask": options["attn_mask"][:1, :2]}
    more = {"return_weights": True} if implementation == "formula" else {}
    run = functools.partial(attention, implementation=implementation, **more, **options)
    assert check(run, inputs)


@once_and_twice
def test_shared_heads_and_the_log_sum_exp_have_gradients(implementation, check):
    query, key, value = draw((4, N, D_K), (2, M, D_K), (2, M, D_V))
    inputs = [torch.tensor(x).requires_grad_() for x in (query, key, value)]
    options = {"enable_gqa": True, "is_causal": True, "return_lse": True, "scale": 0.7}
    assert check(lambda *x: attention(*x, implementation=implementation, **options), inputs)
    lse = lambda q, k: attention(q, k, inputs[2].detach(), implementation=implementation, **options)  # noqa: E731
    assert check(lambda q, k: lse(q, k)[1], inputs[:2])


@once_and_twice
@pytest.mark.parametrize("shape", [(2, N, M), (1, N, M), (N, M), (N, 1), (M,), ()], ids=str)
def test_an_additive_mask_has_a_gradient(implementation, check, shape):
    inputs = [torch.tensor(x[0, :2]) for x in draw(*SHAPES)]
    mask = torch.tensor(draw(shape)[0]).requires_grad_()
    options = {"is_causal": True, "implementation": implementation}
    assert check(lambda mask: attention(*inputs, attn_mask=mask, **options), (mask,))


def test_blockwise_says_that_it_has_no_second_derivative():
    inputs = [torch.tensor(x).requires_grad_() for x in draw(*SHAPES)]
    out = attention(*inputs, implementation="blockwise")
    gradient = torch.autograd.grad(out.sum(), inputs[0], create_graph=True)[0]
    with pytest.raises(RuntimeError, match="use implementation='formula'"):
        gradient.sum().backward()


# --- causality


@each_way
@pytest.mark.parametrize("place", [1, 3, 5])
def test_nothing_before_a_word_moves_by_one_bit_when_the_word_changes(kind, implementation, place):
    X = draw((B, H, 6, D_K))[0]
    changed = X.copy()
    changed[:, :, place] = 50
    before, after = (
        float64(attention(*[kind.make(x)] * 3, is_causal=True, implementation=implementation))
        for x in (X, changed)
    )
    assert np.array_equal(before[:, :, :place], after[:, :, :place])
    assert (before[:, :, place] != after[:, :, place]).any()


@each_way
@pytest.mark.parametrize("place", [0, 4, 8])
@pytest.mark.parametrize("window", [(1, 2), (0, 0), (3, -1)], ids=str)
def test_no_row_outside_its_window_moves_by_one_bit(kind, implementation, place, window):
    X = draw((B, H, 9, D_K))[0]
    changed = X.copy()
    changed[:, :, place] = 50
    before, after = (
        float64(
            attention(
                kind.make(X), *[kind.make(x)] * 2, window=window, implementation=implementation
            )
        )
        for x in (X, changed)
    )
    sees = allowed_by(9, 9, window=window)[:, place]
    assert np.array_equal(before[:, :, ~sees], after[:, :, ~sees])
    moved = (before != after).any((0, 1, 3))  # (9,): some head shows it in every row that sees it
    assert moved.tolist() == sees.tolist()


# --- one step at a time


@each_kind
def test_project_is_a_matrix_product(kind):
    X, W = make(kind, *draw((B, N, D_K), (D_K, D_V)))
    ours = project(X, W)
    assert kind.holds(ours)
    assert_as_exact_as_torch(ours, as_torch(X) @ as_torch(W), float64(X) @ float64(W))


@each_kind
@pytest.mark.parametrize("scale", [None, 0.3])
def test_scores_divide_by_the_root_of_the_width(kind, scale):
    query, key = make(kind, *draw(*SHAPES[:2]))
    factor = 1 / math.sqrt(D_K) if scale is None else scale
    ours = scores(query, key, scale=scale)
    theirs = as_torch(query) @ as_torch(key).mT * factor
    assert kind.holds(ours)
    exact = np.einsum("bhnd,bhmd->bhnm", float64(query), float64(key)) * factor
    assert_as_exact_as_torch(ours, theirs, exact)


@each_kind
@pytest.mark.parametrize("axis", [-1, 0, 1, 2])
def test_softmax_and_log_sum_exp_equal_torch_along_every_axis(kind, axis):
    S = kind.make(10 * draw((B, N, M))[0])
    for ours, torchs in ((softmax, torch.softmax), (log_sum_exp, torch.logsumexp)):
        result = ours(S, axis=axis)
        exact = torchs(torch.tensor(float64(S)), axis)
        assert kind.holds(result)
        assert_as_exact_as_torch(result, torchs(as_torch(S), axis), exact)


@each_kind
def test_softmax_of_nothing_is_zeros(kind):
    S = kind.make(np.array([[-np.inf, -np.inf], [-np.inf, 0.0]]))
    assert float64(softmax(S)).tolist() == [[0, 0], [0, 1]]
    assert float64(log_sum_exp(S)).tolist() == [-np.inf, 0]
    assert float64(log_sum_exp(S[:, :0])).tolist() == [-np.inf, -np.inf]
    assert softmax(S[:, :0]).shape == (2, 0)


@each_kind
def test_weighted_sum_is_a_matrix_product(kind):
    weights, value = make(kind, *draw((B, H, N, M), (B, H, M, D_V)))
    ours = weighted_sum(weights, value)
    theirs = as_torch(weights) @ as_torch(value)
    assert kind.holds(ours)
    exact = np.einsum("bhnm,bhmd->bhnd", float64(weights), float64(value))
    assert_as_exact_as_torch(ours, theirs, exact)


# --- drawn by hypothesis

sizes = st.integers(0, 4)


@st.composite
def calls(drawn):
    """Draw a call of attention: arrays of any size and magnitude, and any options."""
    lead = tuple(drawn(st.lists(st.integers(1, 2), max_size=3)))
    n, m, d_k, d_v = drawn(sizes), drawn(sizes), drawn(st.integers(1, 4)), drawn(sizes)
    shapes = (*lead, n, d_k), (*lead, m, d_k), (*lead, m, d_v)
    size = 10.0 ** drawn(st.integers(-3, 1))
    query, key, value = draw(*shapes, seed=drawn(st.integers(0, 99)))
    options = {
        "is_causal": drawn(st.booleans()),
        "causal_offset": drawn(st.integers(-3, 3)),
        "window": drawn(st.none() | st.tuples(st.integers(-1, 3), st.integers(-1, 3))),
    }
    if drawn(st.booleans()):
        seen = drawn(st.lists(st.booleans(), min_size=n * m, max_size=n * m))
        options["attn_mask"] = np.array(seen, dtype=bool).reshape(n, m)
        if drawn(st.booleans()):
            options["attn_mask"] = np.where(options["attn_mask"], size, -np.inf)
    return size * query, key, value, options


@FEW
@given(
    call=calls(),
    kind=st.sampled_from([NUMPY_KINDS[0], CPU_KINDS[0]]),
    implementation=st.sampled_from(["formula", "blockwise"]),
)
def test_any_call_equals_the_loop(call, kind, implementation):
    *inputs, options = call
    options = as_kind(kind, options)
    check_attention(*make(kind, *inputs), implementation=implementation, **options)


@FEW
@given(row=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6), shift=st.floats(-9, 9))
def test_any_softmax_sums_to_one_and_ignores_a_shift(row, shift):
    weights = softmax(np.array(row))
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1, abs=1e-15 * len(row))
    np.testing.assert_allclose(weights, reference.softmax(row), atol=1e-15)
    if max(map(abs, row)) < 1e3:
        np.testing.assert_allclose(softmax(np.array(row) + shift), weights, atol=1e-12)


@each_torch_way
def test_the_gradient_of_a_learned_bias_equals_torch(kind, implementation):
    *inputs, direction = make(kind, *draw(*SHAPES, (B, H, N, D_V)))
    bias = draw((H, N, M))[0]  # one for all sentences of the batch
    bias[:, 2, 1:3] = -math.inf

    def gradient(function, cast=lambda x: x):
        leaf = cast(kind.make(bias)).clone().requires_grad_()
        out = function(*map(cast, inputs), attn_mask=leaf)
        return torch.autograd.grad(out, leaf, cast(direction))[0]

    ours = gradient(functools.partial(attention, implementation=implementation))
    exact = gradient(torch_attention, cast=torch.Tensor.double)
    assert_as_exact_as_torch(ours, gradient(torch_attention), exact)
    assert not ours[:, 2, 1:3].any()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name",
    ["causal window", *(pytest.param(n, marks=pytest.mark.slow) for n in ("boolean", "additive"))],
)
def test_torch_compiles_and_maps_attention(name):
    inputs, options = list(map(torch.tensor, draw(*SHAPES))), as_kind(CPU_KINDS[0], OPTIONS[name])
    expected = attention(*inputs, **options)
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda *x: attention(*x, **options), fullgraph=True, backend="eager", dynamic=True
    )
    torch.testing.assert_close(compiled(*inputs), expected)
    if "attn_mask" not in options:
        mapped = torch.func.vmap(lambda *x: attention(*x, **options))
        torch.testing.assert_close(mapped(*inputs), expected)


def test_numpy_numbers_are_numbers():
    inputs = draw(*SHAPES)
    ours = attention(
        *inputs, scale=np.float32(0.5), window=(np.int64(1), np.int64(0)), causal_offset=np.int64(1)
    )
    assert np.array_equal(ours, attention(*inputs, scale=0.5, window=(1, 0), causal_offset=1))
