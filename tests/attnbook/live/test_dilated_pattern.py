"""dilated_pattern: which pairs are kept, at every setting."""

import re
from itertools import product

import pytest

from attnbook import live
from tests.attnbook.live.reading import marks, set_to, status

SETTINGS = list(product((4, 8, 16, 32), (1, 2, 4, 8), range(4), (False, True)))


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_every_setting(opened, every):
    page = opened("dilated")
    for w, r, h, causal in SETTINGS[::every]:
        set_to(page, segment=str(w), rate=str(r), head=str(h), causal=causal)
        kept = {
            (i, j)
            for i, j in product(range(32), range(32))
            if i // w == j // w
            and i % w % r == j % w % r == h // -(-4 // r)
            and not (causal and j > i)
        }
        pairs = marks(page, "pairs")
        assert {(p["i"], p["j"]) for p in pairs} == kept and len(pairs) == len(kept)
        for pair in pairs[:: len(pairs) // 3 + 1]:
            cell = pair["drawn"]["across"] / 32
            assert abs(pair["drawn"]["x"] / cell - pair["j"]) < 1e-6
            assert abs(pair["drawn"]["y"] / cell - pair["i"] - 3) < 0.5
        told = re.fullmatch(r"([\d,]+) of 1,024 pairs are kept, ([\d.]+) %\.", status(page))
        assert told[1] == f"{len(kept):,}"
        assert abs(float(told[2]) - 100 * len(kept) / 1024) < 0.05001  # 6.25 is told as 6.3
    assert not page.faults


@pytest.mark.parametrize("length", [0, 4, 24])
def test_bad_input_is_named(length):
    with pytest.raises(
        ValueError, match=f"^length: got {length}, expected a power of 2 of at least 8"
    ):
        live.dilated_pattern(length)
