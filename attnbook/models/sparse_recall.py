"""Recall through a pattern: what a model loses when its words may not all meet.

Associative recall as in recall: 31 keys with their values, and in the last place one of the keys
again, which asks for its value. The words attend causally, in one layer or two, through one of
three patterns: "dense" (all earlier words), "window" (the nearest) and "dilated" (segments of 8,
16 and 32 words at rates 1, 2 and 4). Window and dilated score the same number of pairs.

    python -m attnbook.models.sparse_recall      trains every model (some minutes)
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch

from attnbook.device import processor
from attnbook.models.experiment import read_record, write_record
from attnbook.models.recall import BATCH, TEST_SEED, VOCABULARY, WIDTH, _matrix, fit, pairs
from attnlib.dilated import dilated_attention
from attnlib.formula import attention
from attnlib.heads import merge_heads, split_heads

LENGTH, HEADS = 32, 4  # 31 pairs and the question
PATTERNS = {
    "dense": {"attend": attention},
    "window": {"attend": attention, "window": (8, 0)},
    "dilated": {
        "attend": dilated_attention,
        "segment_lengths": (8, 16, 32),
        "dilation_rates": (1, 2, 4),
    },
}
STEPS, LONGER = 1000, 5000
SEEDS = (0, 1, 2)  # for STEPS; LONGER uses the first
TESTED = 4000  # fresh rows, about 130 for each distance


class SparseRecaller(torch.nn.Module):
    """Embed keys and values, let the words attend through a pattern, name the value asked for.

    pattern: a name in PATTERNS. num_layers: each adds what its heads found to the row of each word.
    Raises: ValueError where the pattern is another.
    Source: Vaswani et al. 2017, without the feed-forward half of a layer; Ding et al. 2023.

    >>> keys, values, _ = pairs(np.random.default_rng(0), LENGTH - 1, 2)
    >>> tuple(SparseRecaller("window", 2)(torch.tensor(keys), torch.tensor(values)).shape)
    (2, 64)
    """

    def __init__(self, pattern: str, num_layers: int):
        super().__init__()
        if pattern not in PATTERNS:
            raise ValueError(f"pattern: got {pattern!r}, expected one of {', '.join(PATTERNS)}")
        self.options = dict(PATTERNS[pattern])
        self.attend = self.options.pop("attend")
        self.keys = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.values = torch.nn.Embedding(VOCABULARY + 1, WIDTH)
        self.layers = torch.nn.ModuleList(
            torch.nn.ParameterList(_matrix(WIDTH, WIDTH) for _ in range(4))
            for _ in range(num_layers)
        )
        self.W_answer = _matrix(WIDTH, VOCABULARY)

    def forward(self, keys, values):
        """Return the logits of each value, (B, VOCABULARY); keys and values are int (B, N)."""
        X = self.keys(keys) + self.values(values)  # (B, N, WIDTH)
        for W_Q, W_K, W_V, W_O in self.layers:
            Q, K, V = (split_heads(X @ W, HEADS) for W in (W_Q, W_K, W_V))  # (B, H, N, d)
            X = X + merge_heads(self.attend(Q, K, V, is_causal=True, **self.options)) @ W_O
        return X[:, -1] @ self.W_answer


def train(pattern: str, num_layers: int, *, steps: int, seed: int = 0) -> SparseRecaller:
    """Train one model on fresh rows at every step, float32, on the CPU, from one seed.

    Source: as recall.train.

    >>> len(train("dense", 2, steps=1).layers)
    2
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SparseRecaller(pattern, num_layers)
    draw = partial(pairs, num_pairs=LENGTH - 1, batch=BATCH)
    return fit(model, draw, steps=steps, seed=seed)


@torch.no_grad()
def right_by_distance(model: SparseRecaller, batch: int = TESTED) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of the same fresh rows how far back its answer stands, and if it was given.

    Returns: distances, int (batch,), 1 for the last pair; and bool (batch,).

    >>> [x.shape for x in right_by_distance(SparseRecaller("dense", 1), batch=10)]
    [(10,), (10,)]
    """
    keys, values, answers = pairs(np.random.default_rng(TEST_SEED), LENGTH - 1, batch)
    distance = LENGTH - 1 - (keys[:, :-1] == keys[:, -1:]).argmax(-1)  # (batch,)
    named = model(torch.tensor(keys), torch.tensor(values)).argmax(-1).numpy()
    return distance, named == answers


def rows() -> list[dict]:
    """Return what is to be trained, longest first.

    >>> len([row for row in rows() if row["steps"] == LONGER])
    3
    """
    return [
        {"pattern": pattern, "layers": num_layers, "steps": steps, "seed": seed}
        for num_layers, steps, seeds in (
            (2, LONGER, SEEDS[:1]),
            (2, STEPS, SEEDS),
            (1, STEPS, SEEDS),
        )
        for pattern in reversed(PATTERNS)
        for seed in seeds
    ]


def measure(row: dict) -> dict:
    """Train one row and return it with its accuracy at each distance, (LENGTH - 1,)."""
    model = train(row["pattern"], row["layers"], steps=row["steps"], seed=row["seed"])
    distance, right = right_by_distance(model)
    by_distance = [float(right[distance == d].mean()) for d in range(1, LENGTH)]
    return row | {"accuracy": [round(x, 4) for x in by_distance]}


def record() -> dict:
    """Return what `python -m attnbook.models.sparse_recall` measured: its rows, and the processor.

    >>> len(record()["rows"]) == len(rows())
    True
    """
    return read_record("sparse_recall")


def recorded(pattern: str, num_layers: int, steps: int) -> np.ndarray:
    """Return the recorded accuracies at distances 1 to LENGTH - 1, float64 (seeds, LENGTH - 1).

    >>> recorded("dilated", 1, STEPS).shape
    (3, 31)
    """
    wanted = {"pattern": pattern, "layers": num_layers, "steps": steps}
    return np.array([row["accuracy"] for row in record()["rows"] if wanted.items() <= row.items()])


def main():
    """Train every row, one core each, and write the record."""
    from tqdm import tqdm

    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        measured = list(tqdm(pool.map(measure, rows()), total=len(rows()), disable=None))
    write_record("sparse_recall", {"processor": processor(), "rows": measured})


if __name__ == "__main__":
    main()
