"""The running example: the task "name your partners", and two small models that learn it.

Every content word of a sentence must name the words that it belongs to: the verb its animal and
its place (half and half), the colour its animal, the animal its colour, the place its animal.

    python -m attnbook.models.partners      trains every variant (2 minutes on one core); writes
                                            records/partners.json, weights/one_head.safetensors
                                            and weights/two_heads.safetensors
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from attnbook.models import experiment
from attnbook.models.grammar import (
    FORMS,
    MAX_LENGTH,
    SENTENCE,
    VOCABULARY,
    all_sentences,
    fill_forms,
    ids,
    is_unseen,
)
from attnlib.heads import multi_head_attention
from attnlib.masks import padding_mask

VARIANTS = {"uniform": 1, "constant_query": 1, "one_head": 1, "two_heads": 2}  # name: heads
SEEDS = tuple(range(20))
STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 1000, 16, 2e-2, 0.3
D_MODEL, WIDTH = 16, 8  # d_k = d_v = 8 for one head, 4 for each of two
WATCHED = 12  # steps whose losses are recorded


class Model(NamedTuple):
    """A trained model as float64 NumPy arrays; W_O reads the heads out over the vocabulary."""

    E: np.ndarray  # (V, d_model), one row per word
    W_Q: np.ndarray  # (d_model, H·d_k)
    W_K: np.ndarray  # (d_model, H·d_k)
    W_V: np.ndarray  # (d_model, H·d_v)
    W_O: np.ndarray  # (H·d_v, V)
    num_heads: int


def load(name: str) -> Model:
    """Return a committed model.

    Args:
        name: "one_head" or "two_heads".

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> load("one_head").E.shape
        (29, 16)
    """
    if name not in ("one_head", "two_heads"):
        raise ValueError(f"name: got {name!r}, expected 'one_head' or 'two_heads'")
    return Model(**experiment.read_weights(name), num_heads=VARIANTS[name])


def start(variant: str, seed: int) -> dict:
    """Draw a model before training, and what it will be trained on, all from one seed.

    Args:
        variant: A name in VARIANTS.
        seed: The seed of all draws.

    Returns:
        Arrays E, W_Q, W_K, W_V, W_O (and c for the constant query); "held_out", the indices of the
        sentences kept for the test; and "batches", int (STEPS, 4·BATCH), of those to train on.

    Example:
        >>> start("one_head", 0)["E"].shape
        (29, 16)
    """
    rng = np.random.default_rng(seed)
    drawn = {"E": rng.normal(size=(len(VOCABULARY), D_MODEL))}
    for name in ("W_Q", "W_K", "W_V"):
        drawn[name] = rng.uniform(-1, 1, size=(D_MODEL, WIDTH)) / np.sqrt(D_MODEL)
    drawn["W_O"] = rng.uniform(-1, 1, size=(WIDTH, len(VOCABULARY))) / np.sqrt(WIDTH)
    seen = rng.permutation(np.flatnonzero(~is_unseen(all_sentences())))
    drawn["held_out"], kept = seen[: len(seen) // 5], seen[len(seen) // 5 :]
    drawn["batches"] = rng.choice(kept, size=(STEPS, len(FORMS) * BATCH))
    if variant == "constant_query":
        drawn["c"] = rng.normal(size=D_MODEL)
    return drawn


def forward(parameters: dict, words, lengths, variant: str) -> tuple:
    """Run one model on a batch.

    Args:
        parameters: Tensors E, W_Q, W_K, W_V, W_O (and c for the constant query).
        words: Indices into VOCABULARY, int (B, N).
        lengths: int (B,); only the first lengths[b] words of sentence b count.
        variant: A name in VARIANTS.

    Returns:
        Logits (B, N, V) of what each word names, and weights (B, H, N, N).
    """
    X = parameters["E"][words]  # (B, N, d_model)
    asking = X
    if variant == "uniform":
        asking = X * 0  # every score is 0, every weight 1/N
    elif variant == "constant_query":
        asking = parameters["c"].expand(X.shape)  # every word asks the same question
    matrices = (parameters[name] for name in ("W_Q", "W_K", "W_V", "W_O"))
    return multi_head_attention(
        asking,
        X,
        X,
        *matrices,
        num_heads=VARIANTS[variant],
        attn_mask=padding_mask(lengths, words.shape[-1]),
        return_weights=True,
    )


def loss(parameters: dict, words, lengths, places, partners, variant: str) -> "torch.Tensor":  # noqa: F821
    """Sum the cross-entropies of the four content words, averaged over the batch.

    Args:
        parameters: As in forward().
        words: Indices into VOCABULARY, int (B, N).
        lengths: int (B,).
        places: Where animal, colour, verb and place are, int (B, 4).
        partners: The words in those places, int (B, 4).
        variant: A name in VARIANTS.

    Returns:
        A number, float64, with gradients where the parameters have them.
    """
    import torch

    logits, _ = forward(parameters, words, lengths, variant)  # (B, N, V)
    rows = torch.arange(len(words))[:, None]
    log_p = logits[rows, places].log_softmax(-1)  # (B, 4, V)
    animal, colour, _, place = partners.unbind(-1)
    said = lambda asker, word: log_p[:, asker].gather(-1, word[:, None]).mean()  # noqa: E731
    half_and_half = (said(2, animal) + said(2, place)) / 2
    return -(said(0, colour) + said(1, animal) + half_and_half + said(3, animal))


@experiment.one_thread()
def train(
    variant: str,
    seeds: Sequence[int] = SEEDS,
    *,
    steps: int = STEPS,
    watch: Callable | None = None,
) -> dict:
    """Train one model per seed, all at once, on the CPU in float64.

    Args:
        variant: A name in VARIANTS.
        seeds: S seeds.
        steps: How many of STEPS to take; the learning rate falls over all of STEPS in any case.
        watch: Called as watch(step, parameters, losses) before each step, losses being (S,).

    Returns:
        Parameters by name: float64 tensors with a leading axis of seeds, (S, ...).

    Raises:
        ValueError: If variant is not in VARIANTS, or steps is not in 1 to STEPS.

    Source:
        AdamW, Loshchilov and Hutter 2019; many models at once by torch.func.vmap.
    """
    import torch
    from tqdm import tqdm

    if variant not in VARIANTS:
        raise ValueError(f"variant: got {variant!r}, expected one of {', '.join(VARIANTS)}")
    if not 1 <= steps <= STEPS:
        raise ValueError(f"steps: got {steps}, expected 1 to {STEPS}")
    drawn = [start(variant, seed) for seed in seeds]
    batches = torch.tensor(np.stack([d["batches"] for d in drawn], axis=1))  # (STEPS, S, 4·BATCH)
    parameters = {
        name: torch.tensor(np.stack([d[name] for d in drawn])).requires_grad_()
        for name in drawn[0]
        if name not in ("held_out", "batches")
    }
    form = torch.arange(len(FORMS)).repeat_interleave(BATCH)  # (4·BATCH,), the form of each row
    filled, lengths, places = map(torch.tensor, fill_forms(all_sentences()))
    sentences = torch.tensor(all_sentences())

    def one_model(parameters, batch):
        return loss(
            parameters, filled[form, batch], lengths[form], places[form], sentences[batch], variant
        )

    optimizer = torch.optim.AdamW(
        parameters.values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, foreach=False
    )
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1, 2 * (1 - i / STEPS)))
    for step in tqdm(range(steps), desc=variant, disable=None):
        losses = torch.func.vmap(one_model)(parameters, batches[step])  # (S,)
        if watch is not None:
            watch(step, parameters, losses.detach())
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        falling.step()
    return {name: tensor.detach() for name, tensor in parameters.items()}


@experiment.one_thread()
def accuracy(parameters: dict, numbers: np.ndarray, variant: str) -> np.ndarray:
    """Return the share of sentences in which all four content words name their partners.

    A word names its partners if they are its most likely words: two for the verb, else one.

    Args:
        parameters: Tensors with a leading axis of S seeds, as train() returns them.
        numbers: Indices of rows of all_sentences(), (n,) or for each seed its own (S, n).
        variant: A name in VARIANTS.

    Returns:
        float64 (S,).
    """
    import torch

    right = []
    for seed in range(len(parameters["E"])):
        chosen = all_sentences()[numbers if np.ndim(numbers) == 1 else numbers[seed]]
        filled, lengths, places = map(torch.tensor, fill_forms(chosen))
        one = {name: tensor[seed] for name, tensor in parameters.items()}
        animal, colour, _, place = torch.tensor(chosen).T
        for f in range(len(FORMS)):
            logits, _ = forward(one, filled[f], lengths[f].expand(len(chosen)), variant)
            logits = logits[:, places[f]]  # (n, 4, V)
            first = logits.argmax(-1)
            two = logits[:, 2].topk(2).indices.sort(-1).values
            partners = torch.stack([animal, place], -1).sort(-1).values
            right.append(
                (first[:, 0] == colour)
                & (first[:, 1] == animal)
                & (two == partners).all(-1)
                & (first[:, 3] == animal)
            )
    return torch.cat(right).reshape(len(parameters["E"]), -1).double().mean(-1).numpy()


@experiment.one_thread()
def row_of_sat(parameters: dict, variant: str) -> np.ndarray:
    """Return the weights of "sat" over the words of SENTENCE.

    Args:
        parameters: Tensors with a leading axis of S seeds, as train() returns them.
        variant: A name in VARIANTS.

    Returns:
        float64 (S, H, 11).
    """
    import torch

    words = torch.tensor(ids(SENTENCE))[None]
    run = lambda one: forward(one, words, torch.tensor([MAX_LENGTH]), variant)[1]  # noqa: E731
    return torch.func.vmap(run)(parameters)[:, 0, :, SENTENCE.index("sat")].numpy()


def measure(parameters: dict, variant: str, seeds: Sequence[int] = SEEDS) -> dict:
    """Measure trained models of one variant.

    Args:
        parameters: Tensors with a leading axis of S seeds, as train() returns them.
        variant: A name in VARIANTS.
        seeds: The S seeds.

    Returns:
        Lists: the accuracies "held_out" (S,) and "unseen_pairs" (S,), and "sat" (S, H, 11).
    """
    held_out = np.stack([start(variant, seed)["held_out"] for seed in seeds])
    return {
        "held_out": accuracy(parameters, held_out, variant).tolist(),
        "unseen_pairs": accuracy(
            parameters, np.flatnonzero(is_unseen(all_sentences())), variant
        ).tolist(),
        "sat": row_of_sat(parameters, variant).tolist(),
    }


def chosen_seed(variant: str, measured: dict) -> int:
    """Return the committed seed: the lowest that solves its task.

    One head must reach accuracy 1 on held-out sentences, and "sat" give "cat" and "mat" at least
    0.3 each and "black" under 0.02. Two heads must reach accuracy 1 on held-out sentences and 0.99
    on pairs never seen together, and "sat" give most to "cat" by one head, to "mat" by the other.

    Args:
        variant: "one_head" or "two_heads".
        measured: What measure() returned.

    Raises:
        ValueError: If no seed does.

    Example:
        >>> chosen_seed("one_head", ladder()["one_head"])
        0
    """
    cat, black, mat = (SENTENCE.index(word) for word in ("cat", "black", "mat"))
    for seed in range(len(measured["sat"])):
        sat = np.array(measured["sat"][seed])  # (H, 11)
        if measured["held_out"][seed] < 1:
            continue
        if variant == "one_head" and min(sat[0, cat], sat[0, mat]) >= 0.3 and sat[0, black] < 0.02:
            return seed
        if variant == "two_heads" and measured["unseen_pairs"][seed] >= 0.99:
            if set(sat.argmax(-1)) == {cat, mat}:
                return seed
    raise ValueError(f"measured: got no seed of {variant!r} that solves its task, expected one")


def ladder() -> dict:
    """Return what was measured of each variant over all seeds: the control ladder.

    Returns:
        What measure() returned, by the name of the variant.

    Example:
        >>> len(ladder()["one_head"]["held_out"])
        20
    """
    return experiment.read_record("partners")["variants"]


def ladder_table() -> tuple[tuple, list]:
    """Return the control ladder as a table: each variant's mean accuracy over all seeds.

    Returns:
        The headers, and one row per variant.

    Example:
        >>> headers, rows = ladder_table()
        >>> [row[0] for row in rows]
        ['uniform weights', 'one constant query', 'one head', 'two heads']
    """
    names = {
        "uniform": "uniform weights",
        "constant_query": "one constant query",
        "one_head": "one head",
        "two_heads": "two heads",
    }
    headers = ("trained with", "held-out sentences", "unseen pairs", "seeds perfect on both")
    rows = []
    for variant, measured in ladder().items():
        held_out, unseen = np.array(measured["held_out"]), np.array(measured["unseen_pairs"])
        perfect = int(((held_out == 1) & (unseen == 1)).sum())
        rows.append((names[variant], held_out.mean(), unseen.mean(), f"{perfect} of {len(unseen)}"))
    return headers, rows


def first_losses(variant: str) -> list[float]:
    """Return the mean loss over all seeds before each of the first steps.

    Args:
        variant: A name in VARIANTS.

    Returns:
        WATCHED numbers.
    """
    means = []
    train(variant, steps=WATCHED, watch=lambda step, _, losses: means.append(losses.mean().item()))
    return means


def main() -> None:
    """Train every variant on every seed; write the two models and the ladder."""
    variants, chosen = {}, {}
    for variant in VARIANTS:
        parameters = train(variant)
        variants[variant] = measure(parameters, variant)
        if variant in ("one_head", "two_heads"):
            seed = chosen[variant] = chosen_seed(variant, variants[variant])
            experiment.write_weights(variant, {n: tensor[seed] for n, tensor in parameters.items()})
    found = {
        "chosen_seed": chosen,
        "first_losses": {variant: first_losses(variant) for variant in VARIANTS},
        "variants": variants,
    }
    experiment.write_record("partners", experiment.made_with() | found)


if __name__ == "__main__":
    main()
