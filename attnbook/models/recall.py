"""Recall over a distance: a recurrent network and attention are given things to remember.

There are two tasks. One marked word: one word of a row carries a mark, and the last position asks
which it was. Associative recall: every position holds a key and its value, and the last position
holds one of the keys and asks for its value. Key and value share a position (their embeddings are
added), which helps every network alike and makes one layer of attention enough.

    python -m attnbook.models.recall      trains every row and writes records/recall.json
                                          (12 minutes on one core, less on several)
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from attnbook.models import experiment
from attnlib.heads import multi_head_attention

NETWORKS = ("rnn", "lstm", "attention")
NUM_TOKENS = 64  # keys, and as many values; value 64 asks "which value?"
D_MODEL, BATCH, LEARNING_RATE = 64, 64, 3e-3
STEPS, LONGER = 1000, 10000
PAIRS = (4, 16, 64)
SEEDS = (0, 1, 2)  # for STEPS; LONGER and the marked word use the first
LENGTH, DISTANCES = 64, (1, 8, 64, 256, 512)  # of the marked word: trained on 64, tested to 512
TEST_SEED = 2**20


def pairs(
    rng: np.random.Generator, num_pairs: int, batch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw rows for associative recall: num_pairs keys with their values, then one key again.

    Args:
        rng: All draws come from it.
        num_pairs: Pairs per row. Before the question no key occurs twice in a row; values may.
        batch: Number of rows.

    Returns:
        Keys int (batch, num_pairs + 1), values int of the same shape (NUM_TOKENS in the last
        column, since it is asked for), and answers int (batch,).

    Source:
        After Arora et al. 2023 (Zoology), with a single query and a pair at each position.

    Example:
        >>> keys, values, answers = pairs(np.random.default_rng(0), 2, 1)
        >>> bool(answers[0] == values[0, list(keys[0]).index(keys[0, -1])])
        True
    """
    every_key = np.tile(np.arange(NUM_TOKENS), (batch, 1))  # (batch, NUM_TOKENS)
    keys = rng.permuted(every_key, axis=1)[:, :num_pairs]  # (batch, num_pairs)
    values = rng.integers(NUM_TOKENS, size=(batch, num_pairs))
    asked, row = rng.integers(num_pairs, size=batch), np.arange(batch)
    answers = values[row, asked]
    unknown = np.full(batch, NUM_TOKENS)
    return np.column_stack([keys, keys[row, asked]]), np.column_stack([values, unknown]), answers


def marked(
    rng: np.random.Generator, length: int, batch: int, distance: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw rows with one marked word.

    Args:
        rng: All draws come from it.
        length: Words per row, before the question.
        batch: Number of rows.
        distance: How far before the question the marked word is; random if None.

    Returns:
        Keys int (batch, length + 1): 0 for no mark, 1 for the mark, 2 for the question in the last
        column; values (the words) int of the same shape; and answers int (batch,).

    Source:
        After Hochreiter and Schmidhuber 1997, section 5 (one thing kept over long lags).

    Example:
        >>> keys, values, answers = marked(np.random.default_rng(0), 3, 1, distance=2)
        >>> keys[0].tolist(), bool(answers[0] == values[0, 1])
        ([0, 1, 0, 2], True)
    """
    keys = np.zeros((batch, length + 1), dtype=int)
    values = rng.integers(NUM_TOKENS, size=(batch, length + 1))
    if distance is None:
        place = rng.integers(length, size=batch)
    else:
        place = np.full(batch, length - distance)
    row = np.arange(batch)
    keys[row, place], keys[:, -1], values[:, -1] = 1, 2, NUM_TOKENS
    return keys, values, values[row, place]


def set_forget_bias(lstm: torch.nn.LSTM, bias: float) -> torch.nn.LSTM:
    """Set the bias of an LSTM's forget gate, which decides how much each step keeps.

    Args:
        lstm: An LSTM with one layer of H units; entries H to 2·H of its biases are the forget
            gate's.
        bias: The new bias. torch adds two, input and recurrent: the second becomes 0.

    Returns:
        The same LSTM, changed in place.

    Source:
        Jozefowicz et al. 2015 (a bias of 1; the gate itself is due to Gers et al. 2000).

    Example:
        >>> set_forget_bias(torch.nn.LSTM(1, 2), 3.0).bias_ih_l0[2:4].tolist()
        [3.0, 3.0]
    """
    gate = slice(lstm.hidden_size, 2 * lstm.hidden_size)
    with torch.no_grad():
        lstm.bias_ih_l0[gate] = bias
        lstm.bias_hh_l0[gate] = 0
    return lstm


class Recaller(torch.nn.Module):
    """Embed keys and values, read the row by one layer, name the value asked for.

    Args:
        network: "rnn", "lstm" or "attention". The three differ in the one layer only.

    Raises:
        ValueError: If network is not in NETWORKS.

    Source:
        Elman 1990 and Hochreiter and Schmidhuber 1997 as in torch.nn; Vaswani et al. 2017.

    Example:
        >>> keys, values, _ = map(torch.tensor, pairs(np.random.default_rng(0), 4, 2))
        >>> Recaller("attention")(keys, values).shape
        torch.Size([2, 64])
    """

    def __init__(self, network: str):
        super().__init__()
        if network not in NETWORKS:
            raise ValueError(f"network: got {network!r}, expected one of {', '.join(NETWORKS)}")
        self.network = network
        self.keys = torch.nn.Embedding(NUM_TOKENS, D_MODEL)
        self.values = torch.nn.Embedding(NUM_TOKENS + 1, D_MODEL)
        if network == "attention":
            self.W_Q, self.W_K, self.W_V = (draw_matrix(D_MODEL, D_MODEL) for _ in range(3))
        else:
            layer = torch.nn.RNN if network == "rnn" else torch.nn.LSTM
            self.layer = layer(D_MODEL, D_MODEL, batch_first=True)
        self.W_O = draw_matrix(D_MODEL, NUM_TOKENS)

    def forward(self, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return the logits of each value, (B, NUM_TOKENS).

        Args:
            keys: int (B, N).
            values: int (B, N).
        """
        X = self.keys(keys) + self.values(values)  # (B, N, d_model)
        if self.network == "attention":
            last = X[:, -1:]  # (B, 1, d_model): only the last position asks
            matrices = (self.W_Q, self.W_K, self.W_V, self.W_O)
            return multi_head_attention(last, X, X, *matrices, num_heads=1)[:, 0]
        states, _ = self.layer(X)  # (B, N, d_model)
        return states[:, -1] @ self.W_O


def draw_matrix(num_rows: int, num_columns: int) -> torch.nn.Parameter:
    """Draw a matrix as torch.nn.Linear does: uniform between -1/√num_rows and 1/√num_rows.

    Args:
        num_rows: Numbers that enter.
        num_columns: Numbers that leave.

    Returns:
        (num_rows, num_columns), float32, for use as X @ W.
    """
    return torch.nn.Parameter((2 * torch.rand(num_rows, num_columns) - 1) / num_rows**0.5)


def train(
    network: str, draw: Callable, *, steps: int, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Recaller:
    """Train one network on fresh rows at every step, on the CPU, with all draws from one seed.

    Args:
        network: One of NETWORKS.
        draw: draw(rng, batch=...) returns keys, values and answers: partial(pairs, num_pairs=4).
        steps: Number of steps.
        seed: The seed of the network's start and of the rows.
        dtype: The dtype of the weights.

    Returns:
        The trained model.

    Raises:
        ValueError: If network is not in NETWORKS.

    Source:
        Adam, Kingma and Ba 2015; gradients clipped to norm 1, Pascanu et al. 2013.

    Example:
        >>> train("lstm", partial(pairs, num_pairs=4), steps=1).network
        'lstm'
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Recaller(network).to(dtype)
    return fit(model, partial(draw, batch=BATCH), steps=steps, seed=seed)


def fit(
    model: torch.nn.Module,
    draw: Callable,
    *,
    steps: int,
    seed: int,
    learning_rate: float = LEARNING_RATE,
) -> torch.nn.Module:
    """Train a classifier in place, on fresh rows at every step.

    Args:
        model: Takes what draw returns, without the answers, and returns logits.
        draw: draw(rng) returns the arrays that the model takes, then the answers.
        steps: Number of steps.
        seed: The seed of the rows.
        learning_rate: Adam's learning rate.

    Returns:
        The same model.

    Source:
        Adam, Kingma and Ba 2015; gradients clipped to norm 1, Pascanu et al. 2013.

    Example:
        >>> fit(Recaller("rnn"), partial(pairs, num_pairs=4, batch=2), steps=1, seed=0).network
        'rnn'
    """
    rng = np.random.default_rng(seed)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=learning_rate)
    for _ in range(steps):
        *inputs, answers = map(torch.tensor, draw(rng))
        loss = torch.nn.functional.cross_entropy(model(*inputs), answers)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


@torch.no_grad()
def accuracy(model: Recaller, draw: Callable, *, batch: int = 1000) -> float:
    """Return the share of fresh rows, the same for every network, that are answered correctly.

    Args:
        model: A network.
        draw: draw(rng, batch=...) returns keys, values and answers.
        batch: Number of rows.

    Example:
        >>> 0 <= accuracy(Recaller("rnn"), partial(pairs, num_pairs=4), batch=10) <= 1
        True
    """
    keys, values, answers = map(torch.tensor, draw(np.random.default_rng(TEST_SEED), batch=batch))
    return (model(keys, values).argmax(-1) == answers).double().mean().item()


def rows() -> list[dict]:
    """Return what is to be trained, longest first.

    Returns:
        Each row's task, network, steps and seed; in associative recall also its number of pairs.

    Example:
        >>> len([row for row in rows() if row["steps"] == LONGER])
        9
    """
    planned = [
        {"task": "pairs", "network": network, "pairs": n, "steps": steps, "seed": seed}
        for steps, seeds in ((LONGER, SEEDS[:1]), (STEPS, SEEDS))
        for n in sorted(PAIRS, reverse=True)
        for network in NETWORKS
        for seed in seeds
    ]
    return planned + [
        {"task": "marked", "network": network, "steps": STEPS, "seed": SEEDS[0]}
        for network in NETWORKS
    ]


def measure(row: dict) -> dict:
    """Train one row in float32.

    Args:
        row: One of rows().

    Returns:
        The row with its accuracy: a number, or for the marked word one number per distance.
    """
    if row["task"] == "pairs":
        draw = partial(pairs, num_pairs=row["pairs"])
        tests = [draw]
    else:
        draw = partial(marked, length=LENGTH)
        tests = [partial(marked, length=max(d, LENGTH), distance=d) for d in DISTANCES]
    model = train(row["network"], draw, steps=row["steps"], seed=row["seed"], dtype=torch.float32)
    right = [accuracy(model, test) for test in tests]
    return row | {"accuracy": right[0] if row["task"] == "pairs" else right}


def recorded(network: str, num_pairs: int, steps: int) -> np.ndarray:
    """Return the recorded accuracies of associative recall.

    Args:
        network: One of NETWORKS.
        num_pairs: One of PAIRS.
        steps: STEPS or LONGER.

    Returns:
        float64 (seeds,).

    Example:
        >>> len(recorded("attention", 4, STEPS))
        3
    """
    return experiment.recorded_column(
        "recall", "accuracy", task="pairs", network=network, pairs=num_pairs, steps=steps
    )


def recorded_marked(network: str) -> np.ndarray:
    """Return the recorded accuracies on the marked word.

    Args:
        network: One of NETWORKS.

    Returns:
        float64, one for each of DISTANCES.

    Example:
        >>> len(recorded_marked("lstm")) == len(DISTANCES)
        True
    """
    return experiment.recorded_column("recall", "accuracy", task="marked", network=network)[0]


def main() -> None:
    """Train every row and write the record."""
    experiment.write_record("recall", {"rows": experiment.run(measure, rows())})


if __name__ == "__main__":
    main()
