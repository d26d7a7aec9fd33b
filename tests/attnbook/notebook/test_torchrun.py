"""torchrun runs a function in several processes, and reports what each returns or says last."""

import numpy as np
import pytest
import torch

from attnbook.notebook import torchrun
from attnlib import attention
from attnlib.distributed.ring import unshard
from tests.support.kinds import float64


def hello():
    import torch.distributed as dist

    from attnlib.distributed.ring import ring_attention, shard

    rank, size = dist.get_rank(), dist.get_world_size()
    inputs = torch.arange(24.0).reshape(8, 3).sin()
    mine = shard(inputs, rank, size)
    return {"rank": rank, "out": ring_attention(mine, mine, mine, group=None, is_causal=True)}


def quarrel():
    import torch.distributed as dist

    from attnlib.distributed.ring import ring_attention

    inputs = torch.ones(2, 3 + dist.get_rank())
    ring_attention(inputs, inputs, inputs, group=None)


@pytest.mark.slow
def test_torchrun_returns_what_each_rank_returns():
    done = torchrun.torchrun(hello, 2)
    assert [of_rank["rank"] for of_rank in done] == [0, 1]
    inputs = torch.arange(24.0).reshape(8, 3).sin()
    exact = attention(inputs.double(), inputs.double(), inputs.double(), is_causal=True)
    found = unshard([of_rank["out"] for of_rank in done])
    np.testing.assert_allclose(float64(found), float64(exact), atol=1e-6)


@pytest.mark.slow
def test_torchrun_gives_the_last_words_of_a_rank_that_fails():
    with pytest.raises(RuntimeError, match="^torchrun: a rank failed\nrank .: ValueError: query: "):
        torchrun.torchrun(quarrel, 2)
