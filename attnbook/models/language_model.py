"""A small language model: it predicts the next word of the book's sentences, and so writes some.

A full stop opens a sentence and closes it. The model is two encoder layers under the causal mask;
beside it stands the same model trained without the mask, which sees the word it is to predict.

    python -m attnbook.models.language_model      trains both on every seed
                                                 (about 3 minutes of one core)
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from attnbook.models.experiment import WEIGHTS, read_record, write_record, written_whole
from attnbook.models.grammar import MAX_LENGTH, VOCABULARY, all_sentences, fill_forms, is_unseen
from attnbook.models.partners import _one_thread, made_with
from attnlib.nn import EncoderLayer, KeyValueCache
from attnlib.positions import sinusoidal_positions

STOP = "."
WORDS = (*VOCABULARY, STOP)
LAYERS, HEADS, D_MODEL, D_HIDDEN = 2, 2, 16, 32
VARIANTS = {"masked": True, "unmasked": False}  # name: is_causal
SEEDS = (0, 1, 2)
STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 1000, 256, 2e-2, 0.03
TRAINED_ON = 2688  # of the grammar's 3,584 sentences
WRITTEN = 2000  # sentences of a model that are judged
VERDICTS = ("seen in training", "never seen", "a pair that never meets", "no sentence")


class LanguageModel(nn.Module):
    """Say of every word which word comes next: embed, add positions, two layers, read out.

    is_causal: whether word i sees words 0 to i only. Without, it sees the answer too.
    Source: Vaswani et al. 2017, section 3.2.3 (the mask), and Radford et al. 2018, section 3.1, for
    a stack of such layers as a language model.

    >>> LanguageModel()(word_ids(["the", "cat"])).shape
    torch.Size([1, 3, 30])
    """

    def __init__(self, *, is_causal: bool = True):
        super().__init__()
        self.is_causal = is_causal
        self.embed = nn.Embedding(len(WORDS), D_MODEL)
        self.layers = nn.ModuleList(
            EncoderLayer(D_MODEL, HEADS, D_HIDDEN, norm_first=True) for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(D_MODEL)
        self.read_out = nn.Linear(D_MODEL, len(WORDS))
        self.double()

    def forward(self, words: Tensor, *, caches: Sequence[KeyValueCache] | None = None) -> Tensor:
        """Run the model on words, int (B, N).

        caches: one a layer, with the n words that came before these; they take these words in.
        Returns: logits (B, N, V) of the word after each word.
        Raises: ValueError where there are caches and the model is not causal.
        """
        caches = [None] * LAYERS if caches is None else caches
        start = 0 if caches[0] is None else len(caches[0])  # positions go on where the cache ends
        X = self.embed(words)  # (B, N, d_model)
        X = X + sinusoidal_positions(start + words.shape[1], D_MODEL, like=X)[start:]
        for layer, cache in zip(self.layers, caches, strict=True):
            X = layer(X, is_causal=self.is_causal, cache=cache)  # (B, N, d_model)
        return self.read_out(self.norm(X))  # (B, N, V)


def load(name: str) -> LanguageModel:
    """Return a committed model, "masked" or "unmasked".

    Raises: ValueError where the name is another.

    >>> load("masked").is_causal
    True
    """
    from safetensors.torch import load_file

    if name not in VARIANTS:
        raise ValueError(f"name: got {name!r}, expected 'masked' or 'unmasked'")
    with torch.device("meta"):  # nothing is drawn for weights that are about to be replaced
        model = LanguageModel(is_causal=VARIANTS[name])
    weights = load_file(WEIGHTS / f"language_{name}.safetensors")
    model.load_state_dict(weights, assign=True)
    return model


def word_ids(words: Sequence[str]) -> Tensor:
    """Return a full stop and the words after it as places in WORDS, int (1, 1 + n).

    Raises: ValueError that names a word which is not in the vocabulary.

    >>> word_ids(["the", "cat"]).tolist()
    [[29, 0, 5]]
    """
    for word in words:
        if word not in WORDS:
            raise ValueError(f"words: {word!r} is not among the {len(WORDS)} known words")
    return torch.tensor([[WORDS.index(word) for word in (STOP, *words)]])


def sentences() -> np.ndarray:
    """Return the grammar: every sentence in which no unseen pair meets, int (3584, 13).

    A row is a full stop, the words, a full stop, and full stops to fill it up.

    >>> " ".join(WORDS[i] for i in sentences()[0])
    '. the cat , which was black , sat on the mat .'
    """
    return _between_stops(all_sentences()[~is_unseen(all_sentences())])


def trained_on(seed: int) -> np.ndarray:
    """Return the numbers of the sentences() that a seed trains on, int (TRAINED_ON,)."""
    return np.random.default_rng(seed).permutation(len(sentences()))[:TRAINED_ON]


def loss(model: LanguageModel, rows: Tensor) -> Tensor:
    """Return how surprised the model is by a whole sentence, in nats, averaged over the rows.

    It is the sum of -log p over the words and the first full stop behind them. No model that
    does not see the answer can have less, on average over the grammar, than log(3584).
    rows: int (B, 13), of sentences().
    """
    read, next_words = rows[:, :-1], rows[:, 1:]  # (B, 12) each
    ended = (read[:, 1:] == WORDS.index(STOP)).cumsum(-1) > 0  # (B, 11): a filler is read
    next_words = next_words.clone()
    next_words[:, 1:][ended] = -100  # cross_entropy leaves these out
    logits = model(read)  # (B, 12, V)
    total = nn.functional.cross_entropy(
        logits.flatten(0, 1), next_words.flatten(), ignore_index=-100, reduction="sum"
    )
    return total / len(rows)


@_one_thread()
def train(variant: str, seed: int = 0, *, steps: int = STEPS) -> tuple[LanguageModel, list[float]]:
    """Train one model on the CPU in float64, everything drawn from one seed.

    steps: stop after so many of STEPS; the schedule of the step size does not shrink.
    Returns: the model, and its loss on the batch of every step.
    Raises: ValueError where the variant is none of VARIANTS or steps is not in 1 to STEPS.
    Source: AdamW, Loshchilov and Hutter 2019.
    """
    from tqdm import tqdm

    if variant not in VARIANTS:
        raise ValueError(f"variant: got {variant!r}, expected 'masked' or 'unmasked'")
    if not 1 <= steps <= STEPS:
        raise ValueError(f"steps: got {steps}, expected 1 to {STEPS}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LanguageModel(is_causal=VARIANTS[variant])
    rng, rows = np.random.default_rng(seed), torch.tensor(sentences()[trained_on(seed)])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, foreach=False
    )
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1, 2 * (1 - i / STEPS)))
    losses = []
    for _ in tqdm(range(steps), desc=f"{variant}, seed {seed}", disable=None):
        surprise = loss(model, rows[rng.integers(TRAINED_ON, size=BATCH)])
        optimizer.zero_grad()
        surprise.backward()
        optimizer.step()
        falling.step()
        losses.append(surprise.item())
    return model, losses


def sample(logits: Tensor, *, temperature: float = 1.0, rng: np.random.Generator) -> Tensor:
    """Draw one word a row, word j with probability softmax(logits / temperature)[j].

    logits: (B, V). temperature: above 0; under 1 likely words become likelier.
    Returns: int (B,).
    Raises: ValueError where logits has not two axes or the temperature is not above 0.
    Source: Hinton et al. 2015, section 2, for the temperature; the draw inverts the cumulative
    sum of the probabilities.

    >>> sample(torch.tensor([[0.0, 50.0, 0.0]]), rng=np.random.default_rng(0)).tolist()
    [1]
    """
    if logits.ndim != 2:
        raise ValueError(f"logits: shape is {tuple(logits.shape)}, expected (B, V)")
    if not temperature > 0:
        raise ValueError(f"temperature: got {temperature!r}, expected a number above 0")
    cumulative = (logits / temperature).softmax(-1).cumsum(-1)  # (B, V), ends at 1
    drawn = torch.tensor(rng.random((len(logits), 1)))  # (B, 1), from 0 up to 1
    return (cumulative[:, :-1] <= drawn).sum(-1)


@torch.no_grad()
def generate(
    model: LanguageModel,
    prompt: Sequence[str] = (),
    *,
    rng: np.random.Generator,
    how_many: int = 1,
    temperature: float = 1.0,
    cached: bool = True,
    longest: int = MAX_LENGTH,
) -> list[tuple[str, ...]]:
    """Write sentences word by word: each word drawn becomes part of what is read next.

    prompt: the first words of every sentence. rng: all draws come from it, so that a seed repeats
    them. cached: keep each layer's keys and values and read one new word a step, instead of reading
    all words again. longest: a sentence without a full stop is cut after so many words.
    Returns: how_many tuples of words, without full stops.
    Raises: ValueError where a word is unknown, where the temperature is not above 0, where
    longest is less than the prompt, or where cached is asked of a model that is not causal.

    >>> generate(load("masked"), ["the", "black", "cat"], longest=3, rng=np.random.default_rng(0))
    [('the', 'black', 'cat')]
    """
    words = word_ids(prompt).expand(how_many, -1)  # (B, 1 + n)
    if longest < len(prompt):
        raise ValueError(f"longest: got {longest}, the prompt has {len(prompt)} words")
    caches = [KeyValueCache() for _ in range(LAYERS)] if cached else None
    ended = torch.zeros(how_many, dtype=torch.bool)
    new = words  # what the caches do not hold yet
    while words.shape[1] <= longest and not ended.all():
        logits = model(new if cached else words, caches=caches)[:, -1]  # (B, V)
        new = sample(logits, temperature=temperature, rng=rng)[:, None]  # (B, 1)
        words = torch.cat([words, new], dim=1)
        ended = ended | (new[:, 0] == WORDS.index(STOP))
    texts = (tuple(WORDS[i] for i in row) for row in words[:, 1:].tolist())
    return [text[: (*text, STOP).index(STOP)] for text in texts]


def judge(texts: Sequence[Sequence[str]], seed: int) -> list[str]:
    """Say of each sentence which of VERDICTS it is, for a model of this seed.

    >>> judge([["the", "the"], "the black cat sat on the rug".split()], seed=0)
    ['no sentence', 'a pair that never meets']
    """
    grammar, verdict = sentences(), {}
    for name, rows in (
        ("a pair that never meets", _between_stops(all_sentences())),
        ("never seen", grammar),
        ("seen in training", grammar[trained_on(seed)]),
    ):
        verdict |= {_text(row): name for row in rows}  # a later name takes the place of an earlier
    return [verdict.get(tuple(text), "no sentence") for text in texts]


@torch.no_grad()
@_one_thread()
def measure(model: LanguageModel, seed: int) -> dict:
    """Return a model's entry in the record: its losses, and the share of each verdict.

    loss_seen, loss_unseen: nats a sentence over what it was trained on, and over the rest of the
    grammar. written: the share of each of VERDICTS among WRITTEN sentences.
    """
    seen = np.isin(np.arange(len(sentences())), trained_on(seed))
    losses = [loss(model, torch.tensor(sentences()[kept])).item() for kept in (seen, ~seen)]
    texts = generate(
        model, rng=np.random.default_rng(seed), how_many=WRITTEN, cached=model.is_causal
    )
    verdicts = judge(texts, seed)
    return {
        "loss_seen": losses[0],
        "loss_unseen": losses[1],
        "written": {verdict: verdicts.count(verdict) / WRITTEN for verdict in VERDICTS},
    }


def record() -> dict:
    """Return what `python -m attnbook.models.language_model` measured: a list over seeds each.

    "losses" holds the loss at each step of seed 0, whose models are the committed ones.

    >>> len(record()["masked"])
    3
    """
    return read_record("language_model")


def main():
    """Train both variants on every seed; write the models of seed 0 and the record."""
    from safetensors.torch import save_file

    measured = made_with() | {"losses": {}}
    for variant in VARIANTS:
        models = {seed: train(variant, seed) for seed in SEEDS}
        measured[variant] = [measure(model, seed) for seed, (model, _) in models.items()]
        model, measured["losses"][variant] = models[SEEDS[0]]
        with written_whole(WEIGHTS / f"language_{variant}.safetensors") as beside:
            save_file(model.state_dict(), beside)
    write_record("language_model", measured)


def _between_stops(chosen):
    """Write rows of all_sentences() in the four forms, between full stops: int (4 · n, 13)."""
    filled, lengths, _ = fill_forms(chosen)  # (4, n, 11), (4,)
    rows = np.full((*filled.shape[:2], MAX_LENGTH + 2), WORDS.index(STOP))
    for form, length in enumerate(lengths):
        rows[form, :, 1 : length + 1] = filled[form, :, :length]
    return rows.reshape(-1, MAX_LENGTH + 2)


def _text(row):
    """Return the words between the first two full stops of a row, as a tuple."""
    words = tuple(WORDS[i] for i in row[1:])
    return words[: words.index(STOP)]


if __name__ == "__main__":
    main()
