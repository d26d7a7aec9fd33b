"""Dilated attention across processes: equal to one process, forward and backward; bytes counted."""

import functools

import pytest
import torch

from attnlib.dilated import dilated_attention
from attnlib.distributed import messages
from attnlib.distributed.dilated import sharded_dilated_attention
from tests.support.kinds import assert_as_exact_as_torch, draw
from tests.support.ranks import start

N = 48
SIZES = (1, 2, 3, 4)
BRANCHES = {
    "on one rank": ([4, 12], [1, 2]),
    "over all ranks": ([48], [4]),
    "longer than the sequence": ([96], [3]),
    "both": ([4, 12, 48], [1, 3, 4]),
    "two ranks of more": ([24, 48], [2, 3]),
}
CASES = {
    f"{name}, {heads} heads, {dtype}, {'causal' if is_causal else 'plain'}": (
        name,
        heads,
        dtype,
        is_causal,
    )
    for name in BRANCHES
    for heads in (1, 3)
    for dtype in ("float64", "bfloat16")
    for is_causal in (False, True)
}


def whole(case):
    """Return query, key, value, the gradient of the output, and the options."""
    name, heads, dtype, is_causal = case
    arrays = draw((2, heads, N, 3), (2, heads, N, 3), (2, heads, N, 5), (2, heads, N, 5))
    lengths, rates = BRANCHES[name]
    options = {"segment_lengths": lengths, "dilation_rates": rates, "is_causal": is_causal}
    return [torch.tensor(x).to(getattr(torch, dtype)) for x in arrays], options


def fits(case, size):
    """Say whether the segments fit this number of ranks."""
    rows = N // size
    pairs = zip(*BRANCHES[case[0]], strict=True)
    return all((rows % w == 0 or w % rows == 0) and min(w, rows) % r == 0 for w, r in pairs)


def run_cases(rank, size):
    """Return this rank's output, its three gradients, and the bytes that it sent, by case."""
    sent = []
    exchange = messages.exchange

    def counting(group, outgoing, incoming):
        sent.append(sum(x.nbytes for peer in outgoing if peer != rank for x in outgoing[peer]))
        return exchange(group, outgoing, incoming)

    messages.exchange = counting
    done = {}
    for label, case in CASES.items():
        if fits(case, size):
            (*inputs, grad), options = whole(case)
            *inputs, grad = (x.chunk(size, dim=-2)[rank] for x in (*inputs, grad))
            inputs = [x.clone().requires_grad_() for x in inputs]
            sent.clear()
            out = sharded_dilated_attention(*inputs, group=None, **options)
            bytes_forward = sum(sent[1:])  # without the note
            done[label] = [out.detach(), *torch.autograd.grad(out, inputs, grad), bytes_forward]
    return done


@functools.cache
def results(size):
    codes, words = start(run_cases, size)
    assert codes == [0] * size, words
    return words


@pytest.mark.parametrize(
    ("label", "size"),
    [(label, size) for label, case in CASES.items() for size in SIZES if fits(case, size)],
)
def test_equals_one_process_forward_and_backward(label, size):
    case = CASES[label]
    ours = [torch.cat([rank[label][i] for rank in results(size)], dim=-2) for i in range(4)]

    def single(dtype):
        (*inputs, grad), options = whole(case)
        inputs = [x.to(dtype).requires_grad_() for x in inputs]
        out = dilated_attention(*inputs, **options)
        return [x.detach() for x in (out, *torch.autograd.grad(out, inputs, grad.to(dtype)))]

    dtype = getattr(torch, case[2])
    for mine, theirs, exact in zip(ours, single(dtype), single(torch.float64), strict=True):
        assert mine.dtype == dtype
        assert_as_exact_as_torch(mine, theirs, exact, among=1.0)


@pytest.mark.parametrize("size", (2, 4))
def test_only_the_kept_keys_are_sent(size):
    label = "both, 3 heads, float64, plain"
    kept = N // size // 4  # of the branch (48, 4) alone: the others stay on one rank
    assert [rank[label][4] for rank in results(size)] == [
        (size - 1) * 2 * 3 * kept * (3 + 5) * 8
    ] * size


def x(rows=8):
    return torch.ones(2, rows, 3)


GOOD = {"segment_lengths": [4, 16], "dilation_rates": [1, 2]}
WRONG = {  # what rank 1 passes; the error of both ranks
    "rows": (
        [x(4)] * 3,
        GOOD,
        "ValueError: query rows: got 4 on rank 1, expected 8 as on rank 0",
    ),
    "segments": (
        [x()] * 3,
        GOOD | {"segment_lengths": [4, 12]},
        "ValueError: segment_lengths: got 12, expected a divisor or a multiple of a shard's 8 rows "
        "(on rank 1)",
    ),
    "rates": (
        [x()] * 3,
        GOOD | {"dilation_rates": [1, 3]},
        "ValueError: dilation_rates: got 3, expected a divisor of the 8 rows that a segment has on "
        "one rank (on rank 1)",
    ),
    "other rates": (
        [x()] * 3,
        GOOD | {"dilation_rates": [1, 4]},
        "ValueError: dilation_rates: got [1, 4] on rank 1, expected [1, 2] as on rank 0",
    ),
    "keys": (
        [x(), x(4), x(4)],
        GOOD,
        "ValueError: key: got 4 rows, expected query's 8 (on rank 1)",
    ),
    "axes": (
        [x()[0]] * 3,
        GOOD,
        "ValueError: query: got shape (8, 3), expected (..., H, L, d_k) (on rank 1)",
    ),
    "kind": (
        [x().tolist()] * 3,
        GOOD,
        "TypeError: query: got list, expected a torch tensor (on rank 1)",
    ),
}


def disagree(rank, size):
    """Make every wrong call in turn and return what it said."""
    said = {}
    for name, (inputs, options, _) in WRONG.items():
        inputs, options = (inputs, options) if rank == 1 else ([x()] * 3, GOOD)
        try:
            sharded_dilated_attention(*inputs, group=None, **options)
        except (TypeError, ValueError) as error:
            said[name] = f"{type(error).__name__}: {error}"
    return said


@functools.cache
def disagreements():
    codes, words = start(disagree, 2)
    assert codes == [0] * 2, words
    return words


@pytest.mark.parametrize("name", WRONG)
def test_all_ranks_refuse_what_one_passes(name):
    assert [of_rank.get(name) for of_rank in disagreements()] == [WRONG[name][2]] * 2
