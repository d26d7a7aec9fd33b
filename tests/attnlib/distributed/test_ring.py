"""Attention across processes: equal to one process, forward and backward, and never a hang."""

import datetime
import functools
import os
import re
import signal
import time
import weakref
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed as dist

from attnlib.distributed import messages, ring
from attnlib.distributed.ring import ring_attention, shard, unshard
from tests.support.kinds import assert_as_exact_as_torch, draw
from tests.support.ranks import start

SIZES = (1, 2, 3, 4)


class Case(NamedTuple):
    """Inputs before they are divided, and how to divide the rows of queries and of keys."""

    lead: tuple = (2, 4)
    queries: int = 13
    keys: int = 13
    kv_lead: tuple | None = None
    dtype: str = "float64"
    striped: bool = True
    spread: float = 1.0
    options: dict = {}

    def whole(self):
        """Return query, key, value and the gradient of the output, in the dtype."""
        lead, kv_lead = self.lead, self.kv_lead or self.lead
        shapes = (*lead, self.queries, 3), (*kv_lead, self.keys, 3), (*kv_lead, self.keys, 5)
        query, key, value, grad = draw(*shapes, (*lead, self.queries, 5), seed=len(self.dtype))
        arrays = (query * self.spread, key, value, grad)
        return [torch.tensor(x).to(getattr(torch, self.dtype)) for x in arrays]

    def divide(self, array, rank, size):
        """Return the rows of one rank."""
        if self.striped:
            return shard(array, rank, size)
        return array.tensor_split(size, dim=-2)[size - 1 - rank]  # of unequal sizes, and backwards

    def join(self, parts):
        """Put the rows of all ranks back in order."""
        return unshard(parts) if self.striped else torch.cat(parts[::-1], dim=-2)


CAUSAL = {"is_causal": True}
CASES = {
    "plain": Case(),
    "causal": Case(options=CAUSAL),
    "one head": Case(lead=()),
    "one head, causal": Case(lead=(), options=CAUSAL),
    "three leading axes": Case(lead=(2, 1, 3), options=CAUSAL),
    "other keys, contiguous": Case(queries=7, keys=18, striped=False),
    "fewer rows than ranks": Case(queries=2, keys=2),
    "fewer rows than ranks, causal": Case(queries=2, keys=2, options=CAUSAL),
    "grouped heads": Case(kv_lead=(2, 2), options={"enable_gqa": True}),
    "grouped heads, causal": Case(kv_lead=(2, 1), options={"enable_gqa": True} | CAUSAL),
    "scores of hundreds": Case(spread=300.0, options=CAUSAL),
    "in blocks": Case(lead=(1,), queries=2100, keys=2100, options=CAUSAL),
    **{
        f"{dtype}, {name}": Case(queries=50, keys=50, dtype=dtype, options=options)
        for dtype in ("float32", "float16", "bfloat16")
        for name, options in (("plain", {}), ("causal", CAUSAL))
    },
}


def run_cases(rank, size):
    """Compute this rank's output and gradients for every case."""
    return {name: one_case(CASES[name], rank, size) for name in cases_of(size)}


def cases_of(size):
    """Return the names of the cases for a number of ranks; the long one runs on two only."""
    return [name for name in CASES if name != "in blocks" or size == 2]


def one_case(case, rank, size, group=None):
    """Return this rank's output and its three gradients."""
    *inputs, grad = (case.divide(x, rank, size) for x in case.whole())
    inputs = [x.clone().requires_grad_() for x in inputs]
    out = ring_attention(*inputs, group=group, **case.options)
    return [out.detach(), *torch.autograd.grad(out, inputs, grad)]


@functools.cache
def results(size):
    """Return what run_cases gives on each rank, from one start for all tests."""
    codes, words = start(run_cases, size)
    assert codes == [0] * size, words
    return words


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for size in SIZES for name in cases_of(size)]
)
def test_equals_one_process_forward_and_backward(name, size):
    case = CASES[name]
    ours = [case.join([rank[name][i] for rank in results(size)]) for i in range(4)]

    def single(dtype):
        *inputs, grad = (x.detach().to(dtype) for x in case.whole())
        inputs = [x.requires_grad_() for x in inputs]
        out = torch.nn.functional.scaled_dot_product_attention(*inputs, **case.options)
        return [out, *torch.autograd.grad(out, inputs, grad)]

    def output_and_gradients(results):
        """Join the three gradients, as torch's error in a single one may be small by luck."""
        out, *gradients = (x.detach() for x in results)
        return out, torch.cat([x.flatten() for x in gradients])

    dtype = getattr(torch, case.dtype)
    assert {x.dtype for x in ours} == {dtype}
    all_three = map(output_and_gradients, (ours, single(dtype), single(torch.float64)))
    for mine, theirs, exact in zip(*all_three, strict=True):
        assert_as_exact_as_torch(mine, theirs, exact, among=1.0)


@pytest.mark.parametrize("size", (1, 2, 5, 11, 12))
def test_shard_and_unshard_are_inverses(size):
    for array in (np.arange(44.0).reshape(2, 11, 2), torch.arange(22).reshape(11, 2)):
        parts = [shard(array, rank, size) for rank in range(size)]
        assert sum(part.shape[-2] for part in parts) == 11
        assert np.array_equal(unshard(parts), array)
        assert all((part == array[..., r::size, :]).all() for r, part in enumerate(parts))


@pytest.mark.parametrize("size", (2, 4, 8))
def test_stripes_give_every_rank_the_same_work(size):
    rows = 8  # per rank
    seen = np.tril(np.ones((rows * size, rows * size)))
    work = [
        [shard(shard(seen, rank, size).T, source, size).sum() for source in range(size)]
        for rank in range(size)
    ]
    assert set(np.ravel(work)) == {rows * (rows + 1) / 2, rows * (rows - 1) / 2}


# --- what is sent and what is kept


def count(rank, size):
    """Return the bytes sent in both passes, and the most blocks that were held at once."""
    sent, held, most = [], weakref.WeakSet(), 0
    exchange = messages.exchange

    def counting(group, outgoing, incoming):
        nonlocal most
        sent.append(sum(x.nbytes for xs in outgoing.values() for x in xs))
        if len(incoming) == 1:  # a pass to the next rank, not the notes to everyone
            held.update(x for xs in incoming.values() for x in xs)
            most = max(most, len(held))
        return exchange(group, outgoing, incoming)

    messages.exchange = counting
    one_case(CASES["bfloat16, causal"]._replace(queries=48, keys=48), rank, size)
    return {"sent": sent[1:], "most": most}


def test_bytes_sent_and_blocks_held():
    codes, words = start(count, 4)
    assert codes == [0] * 4, words
    block = 2 * 4 * 12 * (3 + 5) * 2  # B · H · rows · (d_k + d_v) in two bytes
    for of_rank in words:
        keys_and_values, gradients = 2 * 3 * [block], 4 * [2 * block]  # gradients in four bytes
        assert sorted(of_rank["sent"]) == keys_and_values + gradients
        # two of keys and values, two of gradients, one being added; 20 if nothing were let go
        assert of_rank["most"] <= 9


# --- a subgroup


def in_a_subgroup(rank, size):
    """Ranks 2 and 1 of three form a group of their own, in which they are ranks 0 and 1."""
    group = dist.new_group([1, 2])
    if rank == 0:
        with pytest.raises(ValueError, match="^group: got one without this process, expected"):
            ring_attention(*CASES["plain"].whole()[:3], group=group)
        return None
    return one_case(CASES["causal"], rank - 1, 2, group)


def test_a_subgroup_has_ranks_of_its_own():
    codes, words = start(in_a_subgroup, 3)
    assert codes == [0] * 3, words
    for mine, theirs in zip(words[1:], results(2), strict=True):
        for a, b in zip(mine, theirs["causal"], strict=True):
            assert torch.equal(a, b)


# --- disagreement


def x(rows=4, width=3, **options):
    return torch.ones(2, rows, width, **options)


WRONG = {  # what rank 1 passes where the others pass x(), x(), x(); the error of every rank
    "width": (
        [x(), x(width=5), x()],
        {},
        "ValueError: key: got d_k = 5, expected query's 3 (on rank 1)",
    ),
    "all widths": (
        [x(width=5)] * 3,
        {},
        "ValueError: query: got float32 (2, N, 5) on cpu on rank 1, "
        "expected float32 (2, N, 3) on cpu as on rank 0",
    ),
    "dtype": (
        [x(dtype=torch.float64)] * 3,
        {},
        "ValueError: query: got float64 (2, N, 3) on cpu on rank 1, "
        "expected float32 (2, N, 3) on cpu as on rank 0",
    ),
    "heads": (
        [x()[:1]] * 3,
        {},
        "ValueError: query: got float32 (1, N, 3) on cpu on rank 1, "
        "expected float32 (2, N, 3) on cpu as on rank 0",
    ),
    "value": (
        [x(), x(), x(width=7)],
        {},
        "ValueError: value: got float32 (2, N, 7) on cpu on rank 1, "
        "expected float32 (2, N, 3) on cpu as on rank 0",
    ),
    "kind": (
        [x().numpy()] * 3,
        {},
        "TypeError: query: got a NumPy array, expected a torch tensor (on rank 1)",
    ),
    "rows of value": (
        [x(), x(), x(rows=3)],
        {},
        "ValueError: value: got 3 rows, expected key's 4 (on rank 1)",
    ),
    "flag": (
        [x()] * 3,
        CAUSAL,
        "ValueError: is_causal: got True on rank 1, expected False as on rank 0",
    ),
    "flag's type": (
        [x()] * 3,
        {"is_causal": 1},
        "TypeError: is_causal: got 1, expected True or False (on rank 1)",
    ),
    "gradient": (
        [x(requires_grad=True)] * 3,
        {},
        "ValueError: requires_grad: got True on rank 1, expected False as on rank 0",
    ),
    "groups": (
        [x(), x(), x()],
        {"enable_gqa": True},
        "ValueError: enable_gqa: got True on rank 1, expected False as on rank 0",
    ),
}
WRONG_FOR_ALL = {
    "more than a card": (
        lambda rank: [x(rows=4 + 2 * rank)] * 3,
        CAUSAL,
        "ValueError: query: got (4, 6, 8) rows on the ranks, expected (6, 6, 6), as shard gives "
        "them",
    ),
    "other keys": (
        lambda rank: [x(), x(rows=5), x(rows=5)],
        CAUSAL,
        "ValueError: key: got (5, 5, 5) rows on the ranks, expected query's (4, 4, 4)",
    ),
}


def disagree(rank, size):
    """Make every wrong call in turn, then a right one: after a disagreement the group still works.

    At the end rank 1 leaves without a word, and the others call.
    """
    said = {}
    left = dist.new_group([0, 2])

    def attempt(name, inputs, options):
        try:
            ring_attention(*inputs, group=None, **options)
        except (TypeError, ValueError, RuntimeError) as error:
            said[name] = f"{type(error).__name__}: {error}"

    for name, (inputs, options, _) in WRONG.items():
        attempt(name, *((inputs, options) if rank == 1 else ([x()] * 3, {})))
    for name, (inputs, options, _) in WRONG_FOR_ALL.items():
        attempt(name, inputs(rank), options)
    attempt("right", [x()] * 3, CAUSAL)
    if rank != 1:
        time.sleep(1)  # rank 1 is known to be gone before a message is sent
        attempt("left alone", [x()] * 3, {})
        dist.barrier(left)  # neither leaves while the other still calls
    return said


@functools.cache
def disagreements():
    codes, words = start(disagree, 3)
    assert codes == [0] * 3, words
    return words


@pytest.mark.parametrize("name", [*WRONG, *WRONG_FOR_ALL])
def test_all_ranks_refuse_what_one_passes(name):
    message = (WRONG | WRONG_FOR_ALL)[name][2]
    assert [of_rank.get(name) for of_rank in disagreements()] == [message] * 3


def test_after_a_disagreement_the_group_still_works():
    assert all("right" not in of_rank for of_rank in disagreements())


def test_a_rank_that_leaves_is_named():
    first, _, third = disagreements()
    why = "rank 1 did not answer: it has ended, or takes longer than the timeout of the group"
    for rank, of_rank in ((0, first), (2, third)):
        assert of_rank["left alone"] == f"RuntimeError: rank {rank}: {why}"


def test_refuses_to_start_without_a_group():
    with pytest.raises(RuntimeError, match="^group: got a process outside any group, expected"):
        ring_attention(x(), x(), x(), group=None)


def test_has_no_second_derivatives():
    codes, words = start(second_derivative, 1)
    assert codes == [1] and "once_differentiable" in words[0], words


def second_derivative(rank, size):
    inputs = [x(dtype=torch.float64).requires_grad_() for _ in range(3)]
    out = ring_attention(*inputs, group=None)
    grad = torch.autograd.grad(out.square().sum(), inputs[0], create_graph=True)[0]
    grad.sum().backward()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: shard(torch.ones(3), 0, 2), r"^array: got shape \(3,\), expected \(..., N, d\)"),
        (lambda: shard(x(), 2, 2), "^rank: got 2, expected 0 to 1"),
        (lambda: shard(x(), -1, 2), "^rank: got -1, expected 0 to 1"),
        (
            lambda: unshard([x(3), x(4)]),
            r"^shards: got \(3, 4\) rows on the ranks, expected \(4, 3\)",
        ),
    ],
)
def test_shard_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- death


def die(rank, size, how, when, timeout):
    """End or halt rank 1 in the middle of the forward or the backward pass."""
    group = dist.new_group(timeout=datetime.timedelta(seconds=timeout))
    calls = 0

    def mortal(*arguments):
        nonlocal calls
        calls += 1
        if rank == 1 and calls == when:
            if how == "raise":
                raise MemoryError("out of memory")
            os.kill(os.getpid(), getattr(signal, how))
        return offset(*arguments)

    offset, ring._offset = ring._offset, mortal  # called once per block
    return one_case(CASES["causal"], rank, size, group)


@pytest.mark.parametrize("how", ["raise", "SIGKILL"])
@pytest.mark.parametrize("when", [2, 5], ids=["forward", "backward"])
def test_a_rank_that_dies_ends_all_at_once(how, when):
    codes, words = start(die, 3, how, when, 60)
    assert codes == [1, {"raise": 1, "SIGKILL": -signal.SIGKILL}[how], 1]
    if how == "raise":
        assert words[1].startswith("MemoryError: out of memory")
    assert_named(words)


@pytest.mark.slow
def test_a_rank_that_halts_ends_the_others_within_the_timeout():
    codes, words = start(die, 3, "SIGSTOP", 5, 5, halted=[1])
    assert codes == [1, -signal.SIGKILL, 1]
    assert_named(words)


def assert_named(words):
    """Check that the ranks beside rank 1 name it, or, where they fail in turn, each other."""
    for rank in (0, 2):
        others = f"(rank 1|rank {2 - rank}|rank . or rank .)"
        pattern = f"^RuntimeError: rank {rank}: {others} did not answer: it has ended, or takes "
        assert re.match(pattern, words[rank]), words[rank]
    assert any(re.search("rank . did not answer|rank 1 or|or rank 1", words[r]) for r in (0, 2))
