"""Recall through a pattern: what the models may see, and the record against a re-training."""

import numpy as np
import pytest
import torch

from attnbook.models import experiment, sparse_recall
from attnbook.models.recall import NUM_TOKENS, pairs
from attnlib import dilated_mask


@pytest.fixture
def one_row():
    keys, values, _ = pairs(np.random.default_rng(0), sparse_recall.LENGTH - 1, 1)
    return torch.tensor(keys), torch.tensor(values)


def seen_by_the_last(pattern):
    """Return the places that the last word sees in one layer, by plain counting."""
    last = sparse_recall.LENGTH - 1
    if pattern == "dense":
        return set(range(last + 1))
    if pattern == "window":
        return set(range(last - 8, last + 1))
    every = {(8, 1): 24, (16, 2): 17, (32, 4): 3}  # where its comb begins, for a head that keeps it
    return {j for (_, rate), first in every.items() for j in range(first, last + 1, rate)}


@pytest.mark.parametrize("pattern", sparse_recall.PATTERNS)
def test_one_layer_listens_to_what_its_pattern_shows(pattern, one_row):
    model = sparse_recall.SparseRecaller(pattern, 1).double()
    keys, values = one_row
    before = model(keys, values)
    for place in range(sparse_recall.LENGTH):
        changed = values.clone()
        changed[0, place] = (changed[0, place] + 1) % NUM_TOKENS
        moved = (model(keys, changed) - before).abs().max() > 1e-9
        assert moved == (place in seen_by_the_last(pattern))


@pytest.mark.parametrize("pattern", ["dense", "dilated"])
def test_two_layers_listen_to_everything(pattern, one_row):
    model = sparse_recall.SparseRecaller(pattern, 2).double()
    keys, values = one_row
    before = model(keys, values)
    changed = values.clone()
    changed[0, 4] = (changed[0, 4] + 1) % NUM_TOKENS
    assert (model(keys, changed) - before).abs().max() > 1e-9


def test_window_and_dilated_score_the_same_number_of_pairs():
    options = sparse_recall.PATTERNS["dilated"]
    length, heads = sparse_recall.LENGTH, sparse_recall.NUM_HEADS
    by_branch = [
        dilated_mask(
            length, segment_length=w, dilation_rate=r, num_heads=heads, is_causal=True
        ).sum()
        for w, r in zip(options["segment_lengths"], options["dilation_rates"], strict=True)
    ]
    left, _ = sparse_recall.PATTERNS["window"]["window"]
    assert sum(by_branch) / heads == sum(min(i, left) + 1 for i in range(length))


def test_an_unknown_pattern_is_refused():
    with pytest.raises(ValueError, match="'tree', expected one of dense, window, dilated"):
        sparse_recall.SparseRecaller("tree", 1)


def test_the_record_holds_every_row_once():
    rows = experiment.read_record("sparse_recall")["rows"]
    assert [{k: v for k, v in row.items() if k != "accuracy"} for row in rows] == (
        sparse_recall.rows()
    )


@pytest.mark.slow
def test_a_cheap_row_is_as_recorded():
    row = {"pattern": "window", "layers": 1, "steps": sparse_recall.STEPS, "seed": 0}
    again = np.array(sparse_recall.measure(row)["accuracy"])
    recorded = sparse_recall.recorded("window", 1, sparse_recall.STEPS)[0]
    assert abs(again - recorded).mean() < 0.03 and abs(again[:8] - recorded[:8]).max() < 0.1
