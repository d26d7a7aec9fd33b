"""Two hops: facts that lead to other facts, and models with one layer or two to follow them.

A row holds one fact per position: (cat, mat) says that the cat is on the mat, (mat, hall) that the
mat is in the hall. The last position asks where something is, and the answer is a room. Asked about
the mat, one fact is enough: one hop. Asked about the cat, the first fact says which other fact to
read: two hops. The model has no positional encoding: the order of the facts says nothing.

    python -m attnbook.models.two_hops      trains every model (a few minutes); writes
                                            records/two_hops.json and weights/two_layers.safetensors
"""

from functools import partial

import numpy as np
import torch

from attnbook.models import experiment, grammar
from attnbook.models.recall import fit
from attnlib.nn import EncoderLayer

ANIMALS, PLACES = grammar.ANIMALS[:6], grammar.PLACES[:6]
ROOMS = ("hall", "attic", "barn", "yard", "shed", "porch")
VOCABULARY = (*ANIMALS, *PLACES, *ROOMS, "?")  # "?" is paired with the thing that is asked about
QUESTION = VOCABULARY.index("?")
CHAINS = 4  # per row: an animal, the place it is on, and the room of that place
D_MODEL, D_HIDDEN = 32, 64
D_HIDDEN_WIDE = 196  # one layer with this has as many parameters as two with D_HIDDEN
VARIANTS = {
    "two layers": {"num_layers": 2},
    "two layers, uniform weights": {"num_layers": 2, "without": "queries"},
    "two layers, no residual stream": {"num_layers": 2, "without": "residual"},
    "two layers, no layer norm": {"num_layers": 2, "without": "norm"},
    "two layers, no MLP": {"num_layers": 2, "without": "mlp"},
    "one layer": {"num_layers": 1},
    "one layer, wide MLP": {"num_layers": 1, "d_hidden": D_HIDDEN_WIDE},
    "one layer, wide MLP, eight heads": {
        "num_layers": 1,
        "d_hidden": D_HIDDEN_WIDE,
        "num_heads": 8,
    },
}
PARTS = ("queries", "residual", "norm", "mlp")
STEPS, LONGER, BATCH, LEARNING_RATE = 1000, 5000, 128, 5e-3
SEEDS = (0, 1, 2, 3, 4)  # for STEPS; LONGER uses the first three
TEST_SEED = 2**20


def facts(
    rng: np.random.Generator, batch: int, *, hops: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw rows of 2 · CHAINS facts in random order and one question.

    Args:
        rng: All draws come from it.
        batch: Number of rows.
        hops: 1 asks about a place, 2 about an animal; None draws one of the two for each row.

    Returns:
        Things, and where each of them is: indices into VOCABULARY, int (batch, N) each, with
        N = 2 · CHAINS + 1 and the question last; and answers: indices into ROOMS, int (batch,).

    Raises:
        ValueError: If hops is not 1, 2 or None.

    Source:
        After Weston et al. 2015, task 2 (two supporting facts).

    Example:
        >>> things, where, answers = facts(np.random.default_rng(0), 1, hops=2)
        >>> of = dict(zip(things[0, :-1].tolist(), where[0, :-1].tolist()))
        >>> VOCABULARY[of[of[things[0, -1]]]] == ROOMS[answers[0]]
        True
    """
    if hops not in (None, 1, 2):
        raise ValueError(f"hops: got {hops!r}, expected 1, 2 or None")
    animals, places, rooms = (_draw_chains(rng, batch, kind) for kind in (ANIMALS, PLACES, ROOMS))
    things = np.concatenate([animals, places], axis=1)  # (batch, 2 · CHAINS)
    where = np.concatenate([places, rooms], axis=1)
    order = rng.permuted(np.tile(np.arange(2 * CHAINS), (batch, 1)), axis=1)
    chain, row = rng.integers(CHAINS, size=batch), np.arange(batch)
    about_animal = rng.random(batch) < 0.5 if hops is None else np.full(batch, hops == 2)
    asked = np.where(about_animal, animals[row, chain], places[row, chain])
    return (
        np.column_stack([np.take_along_axis(things, order, axis=1), asked]),
        np.column_stack([np.take_along_axis(where, order, axis=1), np.full(batch, QUESTION)]),
        rooms[row, chain] - VOCABULARY.index(ROOMS[0]),
    )


class Layer(EncoderLayer):
    """A pre-norm encoder layer from which one part can be left out.

    Args:
        d_model: The width of what enters and leaves.
        num_heads: Number of heads.
        d_hidden: The width inside the MLP.
        without: The part to leave out, one of PARTS; None leaves out nothing.

    Example:
        >>> Layer(8, 1, 16, without="norm")(torch.ones(1, 3, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, d_model: int, num_heads: int, d_hidden: int, *, without: str | None = None):
        super().__init__(d_model, num_heads, d_hidden, norm_first=True)
        self.without = without
        if without == "queries":  # every score is 0, every weight 1/N, and stays so
            for parameter in self.self_attention.W_Q.parameters():
                torch.nn.init.zeros_(parameter).requires_grad_(False)
        if without == "norm":
            self.norm_attention = self.norm_mlp = torch.nn.Identity()
        if without == "mlp":
            self.widen = self.narrow = self.norm_mlp = None

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Run the layer.

        Args:
            X: (..., N, d_model).

        Returns:
            (..., N, d_model).
        """
        stream = 0 if self.without == "residual" else 1
        Z = self.norm_attention(X)
        X = stream * X + self.self_attention(Z, Z, Z)
        return X if self.without == "mlp" else stream * X + self.mlp(self.norm_mlp(X))


class Follower(torch.nn.Module):
    """Embed things and where they are, run the layers, read the room off the last position.

    Args:
        num_layers: Number of layers.
        num_heads: Heads of each layer.
        d_hidden: The width inside each MLP.
        without: The part that every layer lacks, one of PARTS; None leaves out nothing.

    Raises:
        ValueError: If without is not one of PARTS or None.

    Source:
        Vaswani et al. 2017, section 3.1; Xiong et al. 2020 (pre-norm).

    Example:
        >>> things, where, _ = map(torch.tensor, facts(np.random.default_rng(0), 2))
        >>> Follower(1)(things, where).shape
        torch.Size([2, 6])
    """

    def __init__(
        self,
        num_layers: int,
        *,
        num_heads: int = 1,
        d_hidden: int = D_HIDDEN,
        without: str | None = None,
    ):
        super().__init__()
        if without not in (None, *PARTS):
            raise ValueError(
                f"without: got {without!r}, expected None or one of {', '.join(PARTS)}"
            )
        self.things = torch.nn.Embedding(len(VOCABULARY), D_MODEL)
        self.where = torch.nn.Embedding(len(VOCABULARY), D_MODEL)
        self.layers = torch.nn.ModuleList(
            Layer(D_MODEL, num_heads, d_hidden, without=without) for _ in range(num_layers)
        )
        self.read_out = torch.nn.Linear(D_MODEL, len(ROOMS))

    def embed(self, things: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """Return what enters the first layer: a thing and its place share a position and are added.

        Args:
            things: int (B, N).
            where: int (B, N).

        Returns:
            (B, N, d_model).
        """
        return self.things(things) + self.where(where)

    def forward(self, things: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """Return the logits of each room, (B, len(ROOMS)).

        Args:
            things: int (B, N).
            where: int (B, N).
        """
        X = self.embed(things, where)  # (B, N, d_model)
        for layer in self.layers:
            X = layer(X)
        return self.read_out(X[:, -1])  # only the last position asks


def train(variant: str, *, steps: int = STEPS, seed: int = 0) -> Follower:
    """Train a variant on fresh rows at every step, in float64 on the CPU, all drawn from one seed.

    Half of the questions need one hop, half of them two.

    Args:
        variant: A name in VARIANTS.
        steps: Number of steps.
        seed: The seed of the model's start and of the rows.

    Returns:
        The trained model.

    Raises:
        ValueError: If variant is not in VARIANTS.

    Source:
        Adam, Kingma and Ba 2015; gradients clipped to norm 1, Pascanu et al. 2013.

    Example:
        >>> len(train("one layer", steps=1).layers)
        1
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant: got {variant!r}, expected one of {', '.join(VARIANTS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Follower(**VARIANTS[variant]).double()
    draw = partial(facts, batch=BATCH)
    return fit(model, draw, steps=steps, seed=seed, learning_rate=LEARNING_RATE)


@torch.no_grad()
def accuracy(model: Follower, hops: int, *, batch: int = 1000) -> float:
    """Return the share of fresh rows, the same for every model, that are answered correctly.

    Args:
        model: A model.
        hops: 1 asks about places, 2 about animals.
        batch: Number of rows.

    Example:
        >>> 0 <= accuracy(Follower(1).double(), 2, batch=10) <= 1
        True
    """
    rows = facts(np.random.default_rng(TEST_SEED), batch, hops=hops)
    things, where, answers = map(torch.tensor, rows)
    return (model(things, where).argmax(-1) == answers).double().mean().item()


def rows() -> list[dict]:
    """Return what is to be trained, longest first: every variant, and one wide layer for longer.

    Returns:
        Each row's variant, steps and seed.

    Example:
        >>> len([row for row in rows() if row["steps"] == LONGER])
        6
    """
    wide = [name for name in VARIANTS if "wide" in name]
    return [
        {"variant": name, "steps": steps, "seed": seed}
        for names, steps, seeds in ((wide, LONGER, SEEDS[:3]), (VARIANTS, STEPS, SEEDS))
        for name in names
        for seed in seeds
    ]


def measure(row: dict) -> dict:
    """Train one row.

    Args:
        row: One of rows().

    Returns:
        The row with its number of trained parameters and its accuracies "one_hop" and "two_hops".
    """
    model = train(row["variant"], steps=row["steps"], seed=row["seed"])
    return row | {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "one_hop": accuracy(model, 1),
        "two_hops": accuracy(model, 2),
    }


def recorded(variant: str, column: str, steps: int = STEPS) -> np.ndarray:
    """Return a recorded figure of a variant, one entry per seed.

    Args:
        variant: A name in VARIANTS.
        column: "one_hop", "two_hops" or "parameters".
        steps: STEPS, or for one wide layer LONGER.

    Returns:
        (seeds,).

    Example:
        >>> recorded("two layers", "two_hops").shape
        (5,)
    """
    return experiment.recorded_column("two_hops", column, variant=variant, steps=steps)


def chosen_seed(measured: list[dict]) -> int:
    """Return the committed seed: the lowest whose two layers answer 99 % of both kinds right.

    Args:
        measured: Rows as measure() returns them.

    Raises:
        ValueError: If no seed does.

    Example:
        >>> chosen_seed([{"variant": "two layers", "seed": 3, "one_hop": 1.0, "two_hops": 0.99}])
        3
    """
    for row in measured:
        if row["variant"] == "two layers" and min(row["one_hop"], row["two_hops"]) >= 0.99:
            return row["seed"]
    raise ValueError(
        "measured: got no seed of 'two layers' that answers 99 % of both kinds right, "
        "expected at least one"
    )


def load() -> Follower:
    """Return the committed model with two layers, float64.

    Example:
        >>> len(load().layers)
        2
    """
    model = Follower(**VARIANTS["two layers"]).double()
    weights = experiment.read_weights("two_layers")
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return model


def main() -> None:
    """Train every row; write the record and the chosen model."""
    measured = experiment.run(measure, rows())
    seed = chosen_seed(measured)
    experiment.write_weights("two_layers", train("two layers", seed=seed).state_dict())
    experiment.write_record("two_hops", {"chosen_seed": seed, "rows": measured})


def _draw_chains(rng, batch, kind):
    """Draw CHAINS different words of a kind per row, as indices into VOCABULARY (batch, CHAINS)."""
    every = np.tile(np.arange(len(kind)), (batch, 1)) + VOCABULARY.index(kind[0])
    return rng.permuted(every, axis=1)[:, :CHAINS]


if __name__ == "__main__":
    main()
