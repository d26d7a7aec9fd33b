"""Recall through a pattern: what a model loses when not every word may attend to every other.

The task is associative recall as in recall: 31 keys with their values, then one of the keys again,
which asks for its value. The words attend causally, in one layer or two, through one of three
patterns: "dense" (all earlier words), "window" (the nearest) and "dilated" (segments of 8, 16 and
32 words at rates 1, 2 and 4). Window and dilated score the same number of pairs.

    python -m attnbook.models.sparse_recall      trains every model (a few minutes)
                                                 and writes records/sparse_recall.json
"""

from functools import partial

import numpy as np
import torch

from attnbook.models import experiment
from attnbook.models.recall import BATCH, D_MODEL, NUM_TOKENS, TEST_SEED, draw_matrix, fit, pairs
from attnlib.dilated import dilated_attention
from attnlib.formula import attention
from attnlib.heads import merge_heads, split_heads

LENGTH, NUM_HEADS = 32, 4  # 31 pairs and the question
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
TESTED = 4000  # fresh rows, about 130 per distance


class SparseRecaller(torch.nn.Module):
    """Embed keys and values, let the words attend through a pattern, name the value asked for.

    Args:
        pattern: A name in PATTERNS.
        num_layers: Number of layers; each adds what its heads found to the row of each word.

    Raises:
        ValueError: If pattern is not in PATTERNS.

    Source:
        Vaswani et al. 2017, without the feed-forward half of a layer; Ding et al. 2023.

    Example:
        >>> keys, values, _ = map(torch.tensor, pairs(np.random.default_rng(0), LENGTH - 1, 2))
        >>> SparseRecaller("window", 2)(keys, values).shape
        torch.Size([2, 64])
    """

    def __init__(self, pattern: str, num_layers: int):
        super().__init__()
        if pattern not in PATTERNS:
            raise ValueError(f"pattern: got {pattern!r}, expected one of {', '.join(PATTERNS)}")
        self.options = dict(PATTERNS[pattern])
        self.attend = self.options.pop("attend")
        self.keys = torch.nn.Embedding(NUM_TOKENS, D_MODEL)
        self.values = torch.nn.Embedding(NUM_TOKENS + 1, D_MODEL)
        self.layers = torch.nn.ModuleList(
            torch.nn.ParameterList(draw_matrix(D_MODEL, D_MODEL) for _ in range(4))
            for _ in range(num_layers)
        )
        self.W_answer = draw_matrix(D_MODEL, NUM_TOKENS)

    def forward(self, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return the logits of each value, (B, NUM_TOKENS).

        Args:
            keys: int (B, N).
            values: int (B, N).
        """
        X = self.keys(keys) + self.values(values)  # (B, N, d_model)
        for W_Q, W_K, W_V, W_O in self.layers:
            Q, K, V = (split_heads(X @ W, NUM_HEADS) for W in (W_Q, W_K, W_V))  # (B, H, N, d)
            X = X + merge_heads(self.attend(Q, K, V, is_causal=True, **self.options)) @ W_O
        return X[:, -1] @ self.W_answer


def train(pattern: str, num_layers: int, *, steps: int, seed: int = 0) -> SparseRecaller:
    """Train one model on fresh rows at every step, in float32 on the CPU, all drawn from one seed.

    Args:
        pattern: A name in PATTERNS.
        num_layers: Number of layers.
        steps: Number of steps.
        seed: The seed of the model's start and of the rows.

    Returns:
        The trained model.

    Raises:
        ValueError: If pattern is not in PATTERNS.

    Source:
        Adam, Kingma and Ba 2015; gradients clipped to norm 1, Pascanu et al. 2013.

    Example:
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
    """Ask fresh rows, the same for every model: how far back is each answer, and was it given?

    Args:
        model: A model.
        batch: Number of rows.

    Returns:
        Distances int (batch,), 1 for the last pair, and whether each answer was right, (batch,).

    Example:
        >>> [x.shape for x in right_by_distance(SparseRecaller("dense", 1), batch=10)]
        [(10,), (10,)]
    """
    keys, values, answers = pairs(np.random.default_rng(TEST_SEED), LENGTH - 1, batch)
    distance = LENGTH - 1 - (keys[:, :-1] == keys[:, -1:]).argmax(-1)  # (batch,)
    named = model(torch.tensor(keys), torch.tensor(values)).argmax(-1).numpy()
    return distance, named == answers


def rows() -> list[dict]:
    """Return what is to be trained, longest first.

    Returns:
        Each row's pattern, layers, steps and seed.

    Example:
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
    """Train one row.

    Args:
        row: One of rows().

    Returns:
        The row with its accuracy at each distance, (LENGTH - 1,).
    """
    model = train(row["pattern"], row["layers"], steps=row["steps"], seed=row["seed"])
    distance, right = right_by_distance(model)
    by_distance = [float(right[distance == d].mean()) for d in range(1, LENGTH)]
    return row | {"accuracy": [round(x, 4) for x in by_distance]}


def recorded(pattern: str, num_layers: int, steps: int) -> np.ndarray:
    """Return the recorded accuracies at distances 1 to LENGTH - 1.

    Args:
        pattern: A name in PATTERNS.
        num_layers: 1 or 2.
        steps: STEPS, or for two layers LONGER.

    Returns:
        float64 (seeds, LENGTH - 1).

    Example:
        >>> recorded("dilated", 1, STEPS).shape
        (3, 31)
    """
    return experiment.recorded_column(
        "sparse_recall", "accuracy", pattern=pattern, layers=num_layers, steps=steps
    )


def main() -> None:
    """Train every row and write the record."""
    experiment.write_record("sparse_recall", {"rows": experiment.run(measure, rows())})


if __name__ == "__main__":
    main()
