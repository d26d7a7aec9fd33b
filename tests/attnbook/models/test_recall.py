"""The recall tasks against a plain reading, and the record against a re-training."""

from functools import partial

import numpy as np
import pytest
import torch

from attnbook.models import experiment, recall

SOME_ROWS = 200


@pytest.mark.parametrize("num_pairs", recall.PAIRS)
def test_pairs_by_a_plain_reading(num_pairs):
    keys, values, answers = recall.pairs(np.random.default_rng(0), num_pairs, SOME_ROWS)
    assert keys.shape == values.shape == (SOME_ROWS, num_pairs + 1)
    for row_keys, row_values, answer in zip(
        keys.tolist(), values.tolist(), answers.tolist(), strict=True
    ):
        *held, asked = row_keys
        assert len(set(held)) == num_pairs, "a key comes once"
        assert dict(zip(held, row_values, strict=False))[asked] == answer
        assert row_values[-1] == recall.NUM_TOKENS, "the value asked for is not given away"
        assert set(held) | set(row_values[:-1]) <= set(range(recall.NUM_TOKENS))


def test_pairs_ask_for_every_place_alike():
    keys, _, _ = recall.pairs(np.random.default_rng(0), 4, 4000)
    places = (keys[:, :-1] == keys[:, -1:]).argmax(-1)
    assert np.bincount(places, minlength=4).min() > 900


@pytest.mark.parametrize("distance", [None, 1, 5, 8])
def test_marked_by_a_plain_reading(distance):
    keys, values, answers = recall.marked(np.random.default_rng(0), 8, SOME_ROWS, distance=distance)
    assert keys.shape == values.shape == (SOME_ROWS, 9)
    for row_keys, row_values, answer in zip(
        keys.tolist(), values.tolist(), answers.tolist(), strict=True
    ):
        assert sorted(row_keys) == [0] * 7 + [1, 2], "one mark, one question"
        assert row_keys[-1] == 2 and row_values[-1] == recall.NUM_TOKENS
        assert row_values[row_keys.index(1)] == answer
        assert distance is None or 8 - row_keys.index(1) == distance


def test_the_same_seed_gives_the_same_model_and_leaves_torch_alone():
    torch.manual_seed(5)
    untouched = torch.rand(3)
    torch.manual_seed(5)
    draw = partial(recall.pairs, num_pairs=4)
    one, other = (recall.train("lstm", draw, steps=3, seed=7) for _ in range(2))
    assert torch.equal(torch.rand(3), untouched)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_forget_bias_is_the_sum_of_torchs_two():
    lstm = recall.set_forget_bias(torch.nn.LSTM(3, 2, dtype=torch.float64), 3.0)
    total = lstm.bias_ih_l0 + lstm.bias_hh_l0
    assert total[2:4].tolist() == [3.0, 3.0]
    assert (total[[0, 1, 4, 5, 6, 7]] != 3).all()
    with torch.no_grad():  # with weights 0 and input gate shut, memory shrinks by the gate alone
        for weight in (lstm.weight_ih_l0, lstm.weight_hh_l0):
            weight.zero_()
        lstm.bias_ih_l0[:2] = -1e3
        start = (torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64))
        _, (_, memory) = lstm(torch.zeros(4, 3, dtype=torch.float64), start)
    np.testing.assert_allclose(memory.numpy(), (1 / (1 + np.exp(-3))) ** 4, rtol=1e-12)


def test_an_unknown_network_is_refused():
    with pytest.raises(
        ValueError, match="^network: got 'tree', expected one of rnn, lstm, attention"
    ):
        recall.Recaller("tree")


def test_the_record_holds_every_row_once():
    rows = experiment.read_record("recall")["rows"]
    assert [{k: v for k, v in row.items() if k != "accuracy"} for row in rows] == recall.rows()


@pytest.mark.parametrize("network", [pytest.param("lstm", marks=pytest.mark.slow), "attention"])
def test_a_cheap_row_is_as_recorded(network):
    row = {"task": "pairs", "network": network, "pairs": 4, "steps": recall.STEPS, "seed": 0}
    again = recall.measure(row)["accuracy"]
    assert abs(again - recall.recorded(network, 4, recall.STEPS)[0]) < 0.06
