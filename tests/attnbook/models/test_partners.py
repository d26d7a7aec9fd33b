"""The running example: its data, its training, and that the committed models are what it makes."""

from functools import cache

import numpy as np
import pytest
import torch

from attnbook.models import experiment, partners
from attnbook.models.grammar import (
    ANIMALS,
    COLOURS,
    FORMS,
    PLACES,
    SENTENCE,
    UNSEEN_PAIRS,
    VERBS,
    VOCABULARY,
    all_sentences,
    fill_forms,
    ids,
    is_unseen,
)
from attnbook.models.partners import (
    SEEDS,
    STEPS,
    VARIANTS,
    accuracy,
    ladder,
    load,
    loss,
    start,
    train,
)
from tests.support import reference

WEIGHTS = experiment.WEIGHTS
RECORD = experiment.read_record("partners")
COMMITTED = ("one_head", "two_heads")
each_variant = pytest.mark.parametrize("variant", VARIANTS)
each_committed = pytest.mark.parametrize("name", COMMITTED)


@cache
def retrained(variant):
    """Train all seeds of a variant as the command does; return the models and their measures."""
    parameters = train(variant)
    return parameters, partners.measure(parameters, variant)


def as_seeds(model):
    """Return one committed model as train() would: by name, with a seed axis."""
    return {name: torch.tensor(getattr(model, name))[None] for name in model._fields[:-1]}


def held_out(seed):
    return start("one_head", seed)["held_out"]


UNSEEN = np.flatnonzero(is_unseen(all_sentences()))


# --- trained again


def assert_committed(measured, variant):
    """Hold what was measured against the ladder: bit for bit where it was made, else 4 decimals."""
    if experiment.made_with().items() <= RECORD.items():
        assert measured == ladder()[variant]
    for name, values in measured.items():
        np.testing.assert_allclose(values, ladder()[variant][name], rtol=0, atol=5e-5)


@pytest.mark.slow
class TestTheControls:  # a class of its own, so that `--dist loadscope` can train beside the heads
    @pytest.mark.parametrize("variant", ["uniform", "constant_query"])
    def test_the_command_makes_the_committed_ladder(self, variant):
        assert_committed(retrained(variant)[1], variant)


@pytest.mark.slow
class TestTheHeads:
    @each_committed
    def test_the_command_makes_the_committed_ladder(self, name):
        assert_committed(retrained(name)[1], name)

    @each_committed
    def test_the_command_makes_the_committed_weights(self, name):
        parameters, measured = retrained(name)
        seed = partners.chosen_seed(name, measured)
        assert seed == RECORD["chosen_seed"][name]
        for matrix, committed in as_seeds(load(name)).items():
            if experiment.made_with().items() <= RECORD.items():
                assert torch.equal(parameters[matrix][seed], committed[0])
            torch.testing.assert_close(parameters[matrix][seed], committed[0], rtol=0, atol=5e-5)


@each_variant
def test_training_begins_as_recorded(variant):
    recorded = RECORD["first_losses"][variant]
    assert len(recorded) == partners.WATCHED
    np.testing.assert_allclose(partners.first_losses(variant), recorded, rtol=1e-9)


def test_training_is_the_same_on_any_number_of_threads():
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(train("two_heads", seeds=(0, 1), steps=5))
            assert torch.get_num_threads() == count  # train() gives back what it changed
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_watch_sees_every_step_before_it_is_taken():
    seen = []
    end = train(
        "two_heads",
        seeds=(3, 4),
        steps=3,
        watch=lambda step, parameters, losses: seen.append(
            (step, parameters["E"].detach().clone(), losses)
        ),
    )
    assert [step for step, _, _ in seen] == [0, 1, 2]
    assert np.array_equal(seen[0][1][1], start("two_heads", 4)["E"])
    assert not torch.equal(seen[2][1], seen[1][1]) and not torch.equal(end["E"], seen[2][1])
    assert all(losses.shape == (2,) for _, _, losses in seen)
    assert (seen[2][2] < seen[0][2]).all()


# --- the committed models


@each_committed
def test_the_files_are_small(name):
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 100_000


@each_committed
def test_the_committed_models_are_those_of_the_ladder(name):
    seed = RECORD["chosen_seed"][name]
    measured = partners.measure(as_seeds(load(name)), name, seeds=(seed,))
    for what, [value] in measured.items():
        np.testing.assert_allclose(value, ladder()[name][what][seed], rtol=0, atol=1e-9)


def test_without_a_query_of_its_own_no_word_finds_its_partners():
    for variant in ("uniform", "constant_query"):
        assert max(ladder()[variant]["held_out"] + ladder()[variant]["unseen_pairs"]) == 0


def test_one_head_learns_what_it_saw_and_two_heads_pairs_never_seen_together():
    one, two = (ladder()[name] for name in COMMITTED)
    assert sum(share >= 0.99 for share in one["held_out"]) >= 18
    assert np.mean(one["unseen_pairs"]) < 0.4
    assert np.mean(two["unseen_pairs"]) >= max(0.6, 2 * np.mean(one["unseen_pairs"]))


def test_the_two_heads_split_animal_and_place_in_every_kind_of_sentence():
    parameters = {name: tensor[0] for name, tensor in as_seeds(load("two_heads")).items()}
    sentences = all_sentences()
    filled, lengths, places = fill_forms(sentences)
    looked_at = []
    for f in range(len(FORMS)):
        _, weights = partners.forward(
            parameters,
            torch.tensor(filled[f]),
            torch.tensor(lengths[f]).expand(len(sentences)),
            "two_heads",
        )  # (n, H, N, N)
        animal, _, verb, place = places[f]
        most = weights[:, :, verb].argmax(-1).numpy()  # (n, H), where each head of the verb looks
        looked_at.append(np.stack([(most == animal), (most == place)], axis=-1))
    share = np.concatenate(looked_at).mean(0)  # (H, 2), by head: at the animal, at the place
    split = max(min(share[0, 0], share[1, 1]), min(share[1, 0], share[0, 1]))
    assert split >= 0.95


@pytest.mark.parametrize("variant", COMMITTED)
def test_the_committed_seed_is_the_lowest_that_solves_its_task(variant):
    assert partners.chosen_seed(variant, ladder()[variant]) == RECORD["chosen_seed"][variant]


def test_a_seed_that_solves_nothing_is_not_chosen():
    with pytest.raises(ValueError, match="^measured: got no seed of 'one_head' that solves"):
        partners.chosen_seed("one_head", ladder()["uniform"])


def test_the_ladders_table_holds_the_means():
    _, rows = partners.ladder_table()
    for (_, seen, unseen, perfect), measured in zip(rows, ladder().values(), strict=True):
        assert len(measured["held_out"]) == len(SEEDS) == 20
        assert (seen, unseen) == (np.mean(measured["held_out"]), np.mean(measured["unseen_pairs"]))
        both = zip(measured["held_out"], measured["unseen_pairs"], strict=True)
        assert perfect == f"{sum(pair == (1, 1) for pair in both)} of 20"


# --- the data


def test_there_is_a_sentence_for_every_choice_of_words():
    sentences = all_sentences()
    assert len({tuple(row) for row in sentences}) == len(sentences) == 8 * 4 * 4 * 8
    for column, kind in zip(sentences.T, (ANIMALS, COLOURS, VERBS, PLACES), strict=True):
        assert {VOCABULARY[i] for i in column} == set(kind)


def test_each_animal_misses_one_place():
    assert {animal for animal, _ in UNSEEN_PAIRS} == set(ANIMALS)
    assert {place for _, place in UNSEEN_PAIRS} == set(PLACES)
    assert ("cat", "rug") in UNSEEN_PAIRS and ("cat", "mat") not in UNSEEN_PAIRS
    for row, unseen in zip(all_sentences(), is_unseen(all_sentences()), strict=True):
        assert unseen == ((VOCABULARY[row[0]], VOCABULARY[row[3]]) in UNSEEN_PAIRS)


def test_the_forms_read_as_sentences():
    filled, lengths, places = fill_forms(ids(["cat", "black", "sat", "mat"])[None])
    texts = [
        " ".join(VOCABULARY[i] for i in row[:n])
        for row, n in zip(filled[:, 0], lengths, strict=True)
    ]
    assert texts == [
        "the cat , which was black , sat on the mat",
        "the black cat sat on the mat",
        "on the mat sat the black cat",
        "on the mat sat the cat , which was black",
    ]
    assert texts[0].split() == list(SENTENCE)
    for row, n, where in zip(filled[:, 0], lengths, places, strict=True):
        assert [VOCABULARY[row[i]] for i in where] == ["cat", "black", "sat", "mat"]
        assert {VOCABULARY[i] for i in row[n:]} <= {"the"}


@pytest.mark.parametrize("seed", [0, 7, 19])
def test_no_batch_holds_what_was_held_out_or_a_pair_to_be_left_unseen(seed):
    drawn = start("one_head", seed)
    trained_on = set(drawn["batches"].ravel())
    assert drawn["batches"].shape == (STEPS, 64)
    assert trained_on.isdisjoint(drawn["held_out"]) and trained_on.isdisjoint(UNSEEN)
    assert set(drawn["held_out"]).isdisjoint(UNSEEN)
    assert len(set(drawn["held_out"])) == (1024 - 128) // 5
    assert len(trained_on) == 1024 - 128 - len(drawn["held_out"])  # each is met at least once


@each_variant
def test_all_variants_start_alike(variant):
    drawn, expected = start(variant, 5), start("one_head", 5)
    assert all(np.array_equal(drawn[name], expected[name]) for name in expected)
    assert not np.array_equal(drawn["E"], start(variant, 6)["E"])


# --- the task, by hand


def logits_by_loop(parameters, words, variant):
    """Return what each of N words says (N, V), by the loop of reference.py, head by head."""
    E, W_Q, W_K, W_V, W_O = (
        np.asarray(parameters[name]) for name in ("E", "W_Q", "W_K", "W_V", "W_O")
    )
    X = E[words]
    asking = {"uniform": 0 * X}.get(variant, X)
    if variant == "constant_query":
        asking = np.tile(parameters["c"], (len(words), 1))
    width = W_Q.shape[1] // VARIANTS[variant]
    heads = []
    for h in range(VARIANTS[variant]):
        own = slice(h * width, (h + 1) * width)
        heads.append(reference.attention(asking @ W_Q[:, own], X @ W_K[:, own], X @ W_V[:, own])[0])
    return np.concatenate(heads, axis=-1) @ W_O


@each_variant
@pytest.mark.parametrize("form", range(len(FORMS)))
def test_loss_is_the_surprise_at_the_partners(variant, form):
    drawn = start(variant, 1)
    filled, lengths, places = fill_forms(ids(["cat", "black", "sat", "mat"])[None])
    words = filled[form, 0, : lengths[form]]
    log_p = np.log([reference.softmax(row) for row in logits_by_loop(drawn, words, variant)])
    animal, colour, verb, place = places[form]
    cat, black, _, mat = ids(["cat", "black", "sat", "mat"])
    said = log_p[animal, black] + log_p[colour, cat] + log_p[place, cat]
    expected = -(said + (log_p[verb, cat] + log_p[verb, mat]) / 2)

    parameters = {
        name: torch.tensor(drawn[name]) for name in drawn if name not in ("held_out", "batches")
    }
    partners = torch.tensor(ids(["cat", "black", "sat", "mat"]))[None]
    ours = loss(
        parameters,
        *(torch.tensor(x[form])[None] for x in (filled[:, 0], lengths, places)),
        partners,
        variant,
    )
    assert float(ours) == pytest.approx(expected, rel=1e-12)


@each_committed
def test_accuracy_counts_sentences_with_four_right_answers(name):
    rng = np.random.default_rng(0)
    worse = load(name)._asdict()
    worse["E"] = worse["E"] + 0.4 * rng.normal(size=worse["E"].shape)
    numbers = rng.choice(1024, size=24, replace=False)
    right = []
    filled, lengths, places = fill_forms(all_sentences()[numbers])
    for f in range(len(FORMS)):
        for words, chosen in zip(filled[f], all_sentences()[numbers], strict=True):
            said = logits_by_loop(worse, words[: lengths[f]], name)[places[f]]
            order = said.argsort(-1)
            animal, colour, _, place = chosen
            right.append(
                order[0, -1] == colour
                and order[1, -1] == animal
                and set(order[2, -2:]) == {animal, place}
                and order[3, -1] == animal
            )
    parameters = {name: torch.tensor(worse[name])[None] for name in list(worse)[:-1]}
    ours = accuracy(parameters, numbers, name)
    assert ours.shape == (1,) and ours[0] == np.mean(right)
    assert 0.1 < ours[0] < 0.9  # neither answer is trivial


def test_accuracy_takes_numbers_of_each_seed():
    models = [as_seeds(load("one_head")), as_seeds(load("one_head"))]
    models[1]["W_O"] = -models[1]["W_O"]
    both = {name: torch.cat([model[name] for model in models]) for name in models[0]}
    numbers = np.stack([held_out(0)[:5], UNSEEN[:5]])
    expected = [
        accuracy(model, row, "one_head")[0] for model, row in zip(models, numbers, strict=True)
    ]
    assert accuracy(both, numbers, "one_head").tolist() == expected == [1, 0]


# --- refusals


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: load("uniform"), "name: got 'uniform', expected 'one_head' or 'two_heads'"),
        (lambda: ids(["the", "mouse"]), "words: got 'mouse', expected one of 29 known words"),
        (lambda: train("three_heads"), "variant: got 'three_heads', expected one of uniform, con"),
    ],
)
def test_errors_name_the_argument_and_what_came(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


def test_ids_are_places_in_the_vocabulary():
    assert [VOCABULARY[i] for i in ids(SENTENCE)] == list(SENTENCE)
    assert ids([]).dtype == ids(["the"]).dtype == int
