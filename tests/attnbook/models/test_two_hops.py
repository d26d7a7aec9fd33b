"""The two-hop task read plainly, the layers against loops, the record against training."""

import math

import numpy as np
import pytest
import torch

from attnbook.models import experiment, two_hops

SOME_ROWS = 200
RECORD = experiment.read_record("two_hops")


@pytest.mark.parametrize("hops", [1, 2, None])
def test_facts_by_a_plain_reading(hops):
    things, where, answers = two_hops.facts(np.random.default_rng(0), SOME_ROWS, hops=hops)
    assert things.shape == where.shape == (SOME_ROWS, 2 * two_hops.CHAINS + 1)
    needed = set()
    for row_things, row_where, answer in zip(
        things.tolist(), where.tolist(), answers.tolist(), strict=True
    ):
        *named, asked = (two_hops.VOCABULARY[i] for i in row_things)
        *places, beside = (two_hops.VOCABULARY[i] for i in row_where)
        of = dict(zip(named, places, strict=True))
        assert beside == "?" and len(of) == 2 * two_hops.CHAINS, "a thing is in one place"
        assert sorted(set(named) & set(two_hops.PLACES)) == sorted(
            set(places) & set(two_hops.PLACES)
        )
        assert len(set(places)) == 2 * two_hops.CHAINS, "no two things share a place"
        found, steps = of[asked], 1
        while found not in two_hops.ROOMS:
            found, steps = of[found], steps + 1
        assert found == two_hops.ROOMS[answer]
        needed.add(steps)
    assert needed == ({1, 2} if hops is None else {hops})


def test_neither_the_order_of_the_facts_nor_the_rooms_give_the_answer_away():
    things, where, answers = two_hops.facts(np.random.default_rng(0), 4000, hops=2)
    fact = (things[:, :-1] == things[:, -1:]).argmax(-1)  # the one about the thing asked for
    assert np.bincount(fact, minlength=2 * two_hops.CHAINS).min() > 400
    rooms = where[:, :-1] - two_hops.VOCABULARY.index(two_hops.ROOMS[0])
    in_order = rooms[rooms >= 0].reshape(4000, two_hops.CHAINS)  # as they come in the row
    assert np.bincount((in_order == answers[:, None]).argmax(-1)).min() > 900
    assert np.bincount(answers).min() > 550  # 6 rooms


def by_loops(model, things, where, without):
    """Answer one row by plain loops over words, heads and numbers; return the logits."""
    weights = {name: p.detach().numpy() for name, p in model.named_parameters()}
    linear = lambda x, name: weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]  # noqa: E731

    def norm(x, name):
        if without == "norm":
            return x
        mean = sum(x) / len(x)
        var = sum((y - mean) ** 2 for y in x) / len(x)
        scaled = np.array([(y - mean) / math.sqrt(var + 1e-5) for y in x])
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    X = [weights["things.weight"][t] + weights["where.weight"][w] for t, w in zip(things, where)]  # noqa: B905
    stream = 0 if without == "residual" else 1
    for number, layer in enumerate(model.layers):
        at = f"layers.{number}"
        Z = [norm(x, f"{at}.norm_attention") for x in X]
        Q, K, V = ([linear(z, f"{at}.self_attention.W_{m}") for z in Z] for m in "QKV")
        H = layer.self_attention.num_heads
        width = len(X[0]) // H
        out = []
        for i in range(len(X)):
            heads = []
            for h in range(H):
                own = slice(h * width, (h + 1) * width)
                e = [math.exp(Q[i][own] @ k[own] / math.sqrt(width)) for k in K]
                heads.append(sum(w / sum(e) * v[own] for w, v in zip(e, V, strict=True)))
            out.append(linear(np.concatenate(heads), f"{at}.self_attention.W_O"))
        X = [stream * x + o for x, o in zip(X, out, strict=True)]
        if without != "mlp":
            for i, x in enumerate(X):
                hidden = np.maximum(linear(norm(x, f"{at}.norm_mlp"), f"{at}.widen"), 0)
                X[i] = stream * x + linear(hidden, f"{at}.narrow")
    return linear(X[-1], "read_out")


@pytest.mark.parametrize("options", two_hops.VARIANTS.values(), ids=two_hops.VARIANTS)
def test_each_variant_is_what_loops_give(options):
    torch.manual_seed(0)
    model = two_hops.Follower(**options).double()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():  # norms start at 1 and 0, where mistakes hide
        for name, p in model.named_parameters():
            if "norm" in name:
                p.add_(torch.randn(p.shape, generator=rng, dtype=torch.float64) / 4)
    things, where, _ = two_hops.facts(np.random.default_rng(2), 2)
    logits = model(torch.tensor(things), torch.tensor(where)).detach().numpy()
    for row in range(2):
        wanted = by_loops(model, things[row], where[row], options.get("without"))
        np.testing.assert_allclose(logits[row], wanted, atol=1e-12)


def test_uniform_weights_stay_uniform_in_training():
    model = two_hops.train("two layers, uniform weights", steps=5)
    things, where, _ = map(torch.tensor, two_hops.facts(np.random.default_rng(0), 1))
    X = model.layers[0].norm_attention(model.embed(things, where))
    _, A = model.layers[0].self_attention(X, X, X, return_weights=True)
    torch.testing.assert_close(A, torch.full_like(A, 1 / 9), rtol=0, atol=1e-15)


def test_the_wide_layer_has_as_many_parameters_as_two():
    count = lambda name: two_hops.recorded(name, "parameters")[0]  # noqa: E731
    assert count("two layers") <= count("one layer, wide MLP") < 1.01 * count("two layers")
    assert count("one layer, wide MLP, eight heads") == count("one layer, wide MLP")


def test_the_same_seed_gives_the_same_model_and_leaves_torch_alone():
    torch.manual_seed(5)
    untouched = torch.rand(3)
    torch.manual_seed(5)
    one, other = (two_hops.train("one layer", steps=3, seed=7) for _ in range(2))
    assert torch.equal(torch.rand(3), untouched)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_record_holds_every_row_once():
    found = ("parameters", "one_hop", "two_hops")
    kept = [{k: v for k, v in row.items() if k not in found} for row in RECORD["rows"]]
    assert kept == two_hops.rows()
    assert ", " in RECORD["processor"]


def test_the_committed_model_is_the_chosen_one():
    rows = [row for row in RECORD["rows"] if row["variant"] == "two layers"]
    assert two_hops.chosen_seed(rows) == RECORD["chosen_seed"]
    model = two_hops.load()
    assert all(p.dtype == torch.float64 for p in model.parameters())
    for hops, what in ((1, "one_hop"), (2, "two_hops")):
        recorded = rows[RECORD["chosen_seed"]][what]
        assert abs(two_hops.accuracy(model, hops) - recorded) <= 0.002, "a near tie may turn over"


def test_the_chosen_seed_is_the_lowest_that_answers_both_kinds():
    figures = [(0, 0.9, 1.0), (1, 1.0, 0.9), (2, 0.99, 0.99), (3, 1.0, 1.0)]
    rows = [
        {"variant": "two layers", "seed": seed, "one_hop": one, "two_hops": two}
        for seed, one, two in figures
    ]
    assert two_hops.chosen_seed([rows[3] | {"variant": "one layer", "seed": 7}, *rows]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["one layer", "two layers, no MLP"])
def test_a_cheap_row_is_as_recorded(variant):
    seed = RECORD["chosen_seed"]
    again = two_hops.measure({"variant": variant, "steps": two_hops.STEPS, "seed": seed})
    for what in ("one_hop", "two_hops"):
        assert abs(again[what] - two_hops.recorded(variant, what)[seed]) < 0.05


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: two_hops.facts(np.random.default_rng(0), 1, hops=3), "hops: got 3, expected 1, 2"),
        (
            lambda: two_hops.Follower(1, without="bias"),
            "without: got 'bias', expected None or one of",
        ),
        (
            lambda: two_hops.Follower(1, num_heads=5),
            "d_model: got 32, expected a multiple of num_heads = 5",
        ),
        (
            lambda: two_hops.train("three layers"),
            "variant: got 'three layers', expected one of two",
        ),
        (lambda: two_hops.chosen_seed([]), "measured: got no seed of 'two layers'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
