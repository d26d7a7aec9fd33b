"""Recall over a distance: a recurrent network and attention are given things to remember.

Two tasks. One marked word: of a row of words one carries a mark, and the last position asks which
it was. Associative recall: every position holds a key and its value, and the last position holds
one of the keys and asks for its value. Key and value share a position (their embeddings are added),
which helps every model alike and lets one layer of attention be enough.

    python -m attnbook.models.recall      trains every row and writes attnbook/models/recall.json
                                  (about 12 minutes of one core, shared among those there are)
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch

from attnbook.device import processor
from attnbook.models.experiment import read_record, write_record
from attnlib.heads import multi_head_attention

KINDS = ("rnn", "lstm", "attention")
VOCABULARY = 64  # so many keys and so many values; value 64 stands for "which value?"
WIDTH, BATCH, LEARNING_RATE = 64, 64, 3e-3
STEPS, LONGER = 1000, 10000
PAIRS = (4, 16, 64)
SEEDS = (0, 1, 2)  # for STEPS; LONGER and the marked word use the first
LENGTH, DISTANCES = 64, (1, 8, 64, 256, 512)  # of the marked word: trained on 64, tested to 512
TEST_SEED = 2**20


def pairs(rng, num_pairs: int, batch: int):
    """Draw rows for associative recall: num_pairs keys with their values, then one key again.

    No key comes twice in a row before it is asked for; values are drawn freely.
    Returns: keys int (batch, num_pairs + 1), values likewise (VOCABULARY in the last place: it is
    asked for), answers (batch,).
    Source: after Arora et al. 2023 (Zoology), with a single query and a pair at each position.

    >>> keys, values, answers = pairs(np.random.default_rng(0), 2, 1)
    >>> bool(answers[0] == values[0, list(keys[0]).index(keys[0, -1])])
    True
    """
    every_key = np.tile(np.arange(VOCABULARY), (batch, 1))  # (batch, VOCABULARY)
    keys = rng.permuted(every_key, axis=1)[:, :num_pairs]  # (batch, num_pairs)
    values = rng.integers(VOCABULARY, size=(batch, num_pairs))
    asked, row = rng.integers(num_pairs, size=batch), np.arange(batch)
    answers = values[row, asked]
    unknown = np.full(batch, VOCABULARY)
    return np.column_stack([keys, keys[row, asked]]), np.column_stack([values, unknown]), answers


def marked(rng, length: int, batch: int, distance: int | None = None):
    """Draw rows with one marked word, in a random place or `distance` before the end.

    Key 0 is no mark, key 1 the mark, key 2 the question in the last place.
    Returns: keys int (batch, length + 1), values (the words) likewise, answers (batch,).
    Source: after Hochreiter and Schmidhuber 1997, section 5 (one thing kept over long lags).

    >>> keys, values, answers = marked(np.random.default_rng(0), 3, 1, distance=2)
    >>> keys[0].tolist(), bool(answers[0] == values[0, 1])
    ([0, 1, 0, 2], True)
    """
    keys = np.zeros((batch, length + 1), dtype=int)
    values = rng.integers(VOCABULARY, size=(batch, length + 1))
    if distance is None:
        place = rng.integers(length, size=batch)
    else:
        place = np.full(batch, length - distance)
    row = np.arange(batch)
    keys[row, place], keys[:, -1], values[:, -1] = 1, 2, VOCABULARY
    return keys, values, values[row, place]


def set_forget_bias(lstm: torch.nn.LSTM, bias: float) -> torch.nn.LSTM:
    """Set the bias of an LSTM's forget gate, on which it depends how much each step keeps.

    torch adds two biases, input and recurrent; the first becomes `bias`, the second 0.
    Returns: the same LSTM (H units: entries H to 2·H of its biases are the forget gate's).
    Source: Jozefowicz et al. 2015 (a bias of 1; the gate itself is due to Gers et al. 2000).

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

    kind: "rnn", "lstm" or "attention". The three differ in the one layer only.
    Raises: ValueError where the kind is another.
    Source: Elman 1990 and Hochreiter and Schmidhuber 1997 as in torch.nn; Vaswani et al. 2017.

    >>> keys, values, _ = pairs(np.random.default_rng(0), 4, 2)
    >>> tuple(Recaller("attention")(torch.tensor(keys), torch.tensor(values)).shape)
    (2, 64)
    """

    def __init__(self, kind: str):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind: got {kind!r}, expected one of {', '.join(KINDS)}")
        self.kind = kind
        self.keys = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.values = torch.nn.Embedding(VOCABULARY + 1, WIDTH)
        if kind == "attention":
            self.W_Q, self.W_K, self.W_V = (_matrix(WIDTH, WIDTH) for _ in range(3))
        else:
            layer = torch.nn.RNN if kind == "rnn" else torch.nn.LSTM
            self.layer = layer(WIDTH, WIDTH, batch_first=True)
        self.W_O = _matrix(WIDTH, VOCABULARY)

    def forward(self, keys, values):
        """Return the logits of each value, (B, VOCABULARY); keys and values are int (B, N)."""
        X = self.keys(keys) + self.values(values)  # (B, N, WIDTH)
        if self.kind == "attention":
            last = X[:, -1:]  # (B, 1, WIDTH): only the last position asks
            matrices = (self.W_Q, self.W_K, self.W_V, self.W_O)
            return multi_head_attention(last, X, X, *matrices, num_heads=1)[:, 0]
        states, _ = self.layer(X)  # (B, N, WIDTH)
        return states[:, -1] @ self.W_O


def train(kind: str, draw, *, steps: int, seed: int = 0, dtype=torch.float64) -> Recaller:
    """Train one model on fresh rows at every step, on the CPU, everything drawn from one seed.

    draw: draw(rng, batch=...) gives keys, values and answers, such as partial(pairs, num_pairs=4).
    Source: Adam, Kingma and Ba 2015; gradients clipped to norm 1, Pascanu et al. 2013.

    >>> train("lstm", partial(pairs, num_pairs=4), steps=1).kind
    'lstm'
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Recaller(kind).to(dtype)
    return fit(model, partial(draw, batch=BATCH), steps=steps, seed=seed)


def fit(model, draw, *, steps: int, seed: int, learning_rate: float = LEARNING_RATE):
    """Train a classifier in place on fresh rows at every step; return it.

    draw: draw(rng) gives the arrays that the model takes, and last the answers.
    Source: Adam, Kingma and Ba 2015; gradients clipped to norm 1, Pascanu et al. 2013.

    >>> fit(Recaller("rnn"), partial(pairs, num_pairs=4, batch=2), steps=1, seed=0).kind
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
def accuracy(model: Recaller, draw, *, batch: int = 1000) -> float:
    """Return the share of fresh rows, the same for every model, that are answered right.

    >>> 0 <= accuracy(Recaller("rnn"), partial(pairs, num_pairs=4), batch=10) <= 1
    True
    """
    keys, values, answers = map(torch.tensor, draw(np.random.default_rng(TEST_SEED), batch=batch))
    return (model(keys, values).argmax(-1) == answers).double().mean().item()


def rows() -> list[dict]:
    """Return what is to be trained, longest first; an associative row tells its number of pairs.

    >>> len([row for row in rows() if row["steps"] == LONGER])
    9
    """
    planned = [
        {"task": "pairs", "kind": kind, "pairs": n, "steps": steps, "seed": seed}
        for steps, seeds in ((LONGER, SEEDS[:1]), (STEPS, SEEDS))
        for n in sorted(PAIRS, reverse=True)
        for kind in KINDS
        for seed in seeds
    ]
    return planned + [
        {"task": "marked", "kind": kind, "steps": STEPS, "seed": SEEDS[0]} for kind in KINDS
    ]


def measure(row: dict) -> dict:
    """Train one row in float32 and return it with its accuracy (one a distance if marked)."""
    if row["task"] == "pairs":
        draw = partial(pairs, num_pairs=row["pairs"])
        tests = [draw]
    else:
        draw = partial(marked, length=LENGTH)
        tests = [partial(marked, length=max(d, LENGTH), distance=d) for d in DISTANCES]
    model = train(row["kind"], draw, steps=row["steps"], seed=row["seed"], dtype=torch.float32)
    right = [accuracy(model, test) for test in tests]
    return row | {"accuracy": right[0] if row["task"] == "pairs" else right}


def record() -> dict:
    """Return what `python -m attnbook.models.recall` measured: its rows, and the processor.

    >>> len(record()["rows"]) == len(rows())
    True
    """
    return read_record("recall")


def recorded(kind: str, num_pairs: int, steps: int) -> np.ndarray:
    """Return the recorded accuracies of associative recall, one a seed, float64 (seeds,).

    >>> len(recorded("attention", 4, STEPS))
    3
    """
    wanted = {"task": "pairs", "kind": kind, "pairs": num_pairs, "steps": steps}
    return np.array([row["accuracy"] for row in record()["rows"] if wanted.items() <= row.items()])


def recorded_marked(kind: str) -> np.ndarray:
    """Return the recorded accuracies on the marked word, one for each of DISTANCES.

    >>> len(recorded_marked("lstm")) == len(DISTANCES)
    True
    """
    return np.array(
        [r["accuracy"] for r in record()["rows"] if (r["task"], r["kind"]) == ("marked", kind)][0]
    )


def main():
    """Train every row, one core each, and write the record."""
    from tqdm import tqdm

    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        measured = list(tqdm(pool.map(measure, rows()), total=len(rows()), disable=None))
    write_record("recall", {"processor": processor(), "rows": measured})


def _matrix(num_rows, num_columns):
    """Draw a matrix as torch.nn.Linear does: uniform, up to 1/√num_rows."""
    return torch.nn.Parameter((2 * torch.rand(num_rows, num_columns) - 1) / num_rows**0.5)


if __name__ == "__main__":
    main()
