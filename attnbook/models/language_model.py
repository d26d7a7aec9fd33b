"""A small language model: it predicts the next word of the book's sentences and can generate them.

A full stop opens a sentence and closes it. The model is two encoder layers under the causal mask.
The same model is also trained without the mask, so that it sees the word it is to predict.

    python -m attnbook.models.language_model      trains both on every seed (3 minutes on one core);
                                                  writes records/language_model.json and
                                                  weights/language_*.safetensors
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from attnbook.models import experiment, grammar
from attnbook.models.grammar import MAX_LENGTH, all_sentences, fill_forms, is_unseen
from attnlib.nn import EncoderLayer, KeyValueCache
from attnlib.positions import sinusoidal_positions

STOP = "."
VOCABULARY = (*grammar.VOCABULARY, STOP)
NUM_LAYERS, NUM_HEADS, D_MODEL, D_HIDDEN = 2, 2, 16, 32
VARIANTS = {"masked": True, "unmasked": False}  # name: is_causal
SEEDS = (0, 1, 2)
STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 1000, 256, 2e-2, 0.03
TRAINED_ON = 2688  # of the grammar's 3,584 sentences
WRITTEN = 2000  # sentences of each model that are judged
VERDICTS = ("seen in training", "never seen", "a pair that never meets", "no sentence")


class LanguageModel(nn.Module):
    """Predict the word after every word: embed, add positions, two layers, read out.

    Args:
        is_causal: Whether word i sees words 0 to i only; otherwise it also sees the answer.

    Source:
        Vaswani et al. 2017, section 3.2.3 (the mask); Radford et al. 2018, section 3.1 (a stack of
        such layers as a language model).

    Example:
        >>> LanguageModel()(word_ids(["the", "cat"])).shape
        torch.Size([1, 3, 30])
    """

    def __init__(self, *, is_causal: bool = True):
        super().__init__()
        self.is_causal = is_causal
        self.embed = nn.Embedding(len(VOCABULARY), D_MODEL)
        self.layers = nn.ModuleList(
            EncoderLayer(D_MODEL, NUM_HEADS, D_HIDDEN, norm_first=True) for _ in range(NUM_LAYERS)
        )
        self.norm = nn.LayerNorm(D_MODEL)
        self.read_out = nn.Linear(D_MODEL, len(VOCABULARY))
        self.double()

    def forward(self, words: Tensor, *, caches: Sequence[KeyValueCache] | None = None) -> Tensor:
        """Run the model.

        Args:
            words: Indices into VOCABULARY, int (B, N).
            caches: One per layer, holding the words before these; these words are added to it.

        Returns:
            Logits (B, N, V) of the word after each word.

        Raises:
            ValueError: If there are caches and the model is not causal.
        """
        caches = [None] * NUM_LAYERS if caches is None else caches
        start = 0 if caches[0] is None else len(caches[0])  # positions continue after the cache
        X = self.embed(words)  # (B, N, d_model)
        X = X + sinusoidal_positions(start + words.shape[1], D_MODEL, like=X)[start:]
        for layer, cache in zip(self.layers, caches, strict=True):
            X = layer(X, is_causal=self.is_causal, cache=cache)  # (B, N, d_model)
        return self.read_out(self.norm(X))  # (B, N, V)


def load(name: str) -> LanguageModel:
    """Return a committed model.

    Args:
        name: "masked" or "unmasked".

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> load("masked").is_causal
        True
    """
    if name not in VARIANTS:
        raise ValueError(f"name: got {name!r}, expected 'masked' or 'unmasked'")
    with torch.device("meta"):  # nothing is drawn for weights that are about to be replaced
        model = LanguageModel(is_causal=VARIANTS[name])
    weights = experiment.read_weights(f"language_{name}")
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    model.load_state_dict(tensors, assign=True)
    return model


def word_ids(words: Sequence[str]) -> Tensor:
    """Return the indices in VOCABULARY of a full stop and the words after it.

    Args:
        words: n words.

    Returns:
        int (1, 1 + n).

    Raises:
        ValueError: If a word is not in the vocabulary; the message names it.

    Example:
        >>> word_ids(["the", "cat"]).tolist()
        [[29, 0, 5]]
    """
    for word in words:
        if word not in VOCABULARY:
            raise ValueError(f"words: got {word!r}, expected one of {len(VOCABULARY)} known words")
    return torch.tensor([[VOCABULARY.index(word) for word in (STOP, *words)]])


def sentences() -> np.ndarray:
    """Return the grammar: every sentence that holds no unseen pair.

    Returns:
        Indices into VOCABULARY, int (3584, 13): a full stop, the words, a full stop, and full
        stops as padding.

    Example:
        >>> " ".join(VOCABULARY[i] for i in sentences()[0])
        '. the cat , which was black , sat on the mat .'
    """
    return _between_stops(all_sentences()[~is_unseen(all_sentences())])


def trained_on(seed: int) -> np.ndarray:
    """Return which of the sentences() a seed trains on.

    Args:
        seed: The seed of the choice.

    Returns:
        Indices of rows of sentences(), int (TRAINED_ON,).
    """
    return np.random.default_rng(seed).permutation(len(sentences()))[:TRAINED_ON]


def text_of(row: Sequence[int]) -> tuple[str, ...]:
    """Return the words of one of sentences(), without full stops.

    Args:
        row: Indices into VOCABULARY, int (13,).

    Example:
        >>> text_of(sentences()[896])
        ('the', 'black', 'cat', 'sat', 'on', 'the', 'mat')
    """
    words = tuple(VOCABULARY[i] for i in row[1:])
    return words[: words.index(STOP)]


def loss(model: LanguageModel, rows: Tensor) -> Tensor:
    """Return how surprised the model is by a whole sentence, in nats, averaged over the rows.

    It is the sum of -log p over the words and the first full stop after them. Averaged over the
    grammar, no model that does not see the answer can have less than log(3584).

    Args:
        model: A model.
        rows: Rows of sentences(), int (B, 13).

    Returns:
        A number, float64, with gradients.
    """
    read, next_words = rows[:, :-1], rows[:, 1:]  # (B, 12) each
    ended = (read[:, 1:] == VOCABULARY.index(STOP)).cumsum(-1) > 0  # (B, 11): padding is read
    next_words = next_words.clone()
    next_words[:, 1:][ended] = -100  # cross_entropy leaves these out
    logits = model(read)  # (B, 12, V)
    total = nn.functional.cross_entropy(
        logits.flatten(0, 1), next_words.flatten(), ignore_index=-100, reduction="sum"
    )
    return total / len(rows)


@experiment.one_thread()
def train(variant: str, seed: int = 0, *, steps: int = STEPS) -> tuple[LanguageModel, list[float]]:
    """Train one model on the CPU in float64, all drawn from one seed.

    Args:
        variant: "masked" or "unmasked".
        seed: The seed of the model's start, of trained_on() and of the batches.
        steps: How many of STEPS to take; the learning rate falls over all of STEPS in any case.

    Returns:
        The model, and its loss on the batch of every step.

    Raises:
        ValueError: If variant is not in VARIANTS, or steps is not in 1 to STEPS.

    Source:
        AdamW, Loshchilov and Hutter 2019.
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
    """Draw one word per row, word j with probability softmax(logits / temperature)[j].

    Args:
        logits: (B, V).
        temperature: Above 0; below 1 likely words become likelier.
        rng: The draw comes from it.

    Returns:
        int (B,).

    Raises:
        ValueError: If logits does not have two axes, or temperature is not above 0.

    Source:
        Hinton et al. 2015, section 2, for the temperature; the draw inverts the cumulative sum of
        the probabilities.

    Example:
        >>> sample(torch.tensor([[0.0, 50.0, 0.0]]), rng=np.random.default_rng(0)).tolist()
        [1]
    """
    if logits.ndim != 2:
        raise ValueError(f"logits: got shape {tuple(logits.shape)}, expected (B, V)")
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
    max_length: int = MAX_LENGTH,
) -> list[tuple[str, ...]]:
    """Write sentences word by word: each word drawn becomes part of what is read next.

    Args:
        model: A model.
        prompt: The first words of every sentence.
        rng: All draws come from it, so that a seed repeats them.
        how_many: Number of sentences.
        temperature: As in sample().
        cached: Keep each layer's keys and values and read only the new word at each step, instead
            of reading all words again.
        max_length: A sentence without a full stop is cut after this many words.

    Returns:
        Tuples of words, without full stops.

    Raises:
        ValueError: If a word is unknown, temperature is not above 0, max_length is less than the
            prompt, or cached is set for a model that is not causal.

    Example:
        >>> prompt = ["the", "black", "cat"]
        >>> generate(load("masked"), prompt, max_length=3, rng=np.random.default_rng(0))
        [('the', 'black', 'cat')]
    """
    words = word_ids(prompt).expand(how_many, -1)  # (B, 1 + n)
    if max_length < len(prompt):
        raise ValueError(
            f"max_length: got {max_length}, expected at least the prompt's {len(prompt)} words"
        )
    caches = [KeyValueCache() for _ in range(NUM_LAYERS)] if cached else None
    ended = torch.zeros(how_many, dtype=torch.bool)
    new = words  # what the caches do not hold yet
    while words.shape[1] <= max_length and not ended.all():
        logits = model(new if cached else words, caches=caches)[:, -1]  # (B, V)
        new = sample(logits, temperature=temperature, rng=rng)[:, None]  # (B, 1)
        words = torch.cat([words, new], dim=1)
        ended = ended | (new[:, 0] == VOCABULARY.index(STOP))
    texts = (tuple(VOCABULARY[i] for i in row) for row in words[:, 1:].tolist())
    return [text[: (*text, STOP).index(STOP)] for text in texts]


def judge(texts: Sequence[Sequence[str]], seed: int) -> list[str]:
    """Compare sentences with the grammar and with what a model was trained on.

    Args:
        texts: Tuples or lists of words, without full stops.
        seed: The model's seed.

    Returns:
        One of VERDICTS for each text.

    Example:
        >>> judge([["the", "the"], "the black cat sat on the rug".split()], seed=0)
        ['no sentence', 'a pair that never meets']
    """
    verdict = {}
    for name, rows in (  # from all to few: a later name replaces an earlier one
        ("a pair that never meets", _between_stops(all_sentences())),
        ("never seen", sentences()),
        ("seen in training", sentences()[trained_on(seed)]),
    ):
        verdict |= {text_of(row): name for row in rows}
    return [verdict.get(tuple(text), "no sentence") for text in texts]


@torch.no_grad()
@experiment.one_thread()
def measure(model: LanguageModel, seed: int) -> dict:
    """Return what is recorded of a model.

    Args:
        model: A model.
        seed: The one it was trained with.

    Returns:
        "loss_seen" and "loss_unseen", nats per sentence over what it was trained on and over the
        rest of the grammar; "written", the share of each of VERDICTS among WRITTEN sentences.
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


def recorded(name: str) -> list[dict] | dict[str, list[float]]:
    """Return a part of the record.

    Args:
        name: "masked" or "unmasked", or "losses".

    Returns:
        For a variant what measure() returned, one entry per seed; for "losses" the loss at each
        step of the committed models, by variant.

    Example:
        >>> len(recorded("masked"))
        3
    """
    return experiment.read_record("language_model")[name]


def main() -> None:
    """Train both variants on every seed; write the models of seed 0 and the record."""
    found = {"losses": {}}
    for variant in VARIANTS:
        models = {seed: train(variant, seed) for seed in SEEDS}
        found[variant] = [measure(model, seed) for seed, (model, _) in models.items()]
        model, found["losses"][variant] = models[SEEDS[0]]
        experiment.write_weights(f"language_{variant}", model.state_dict())
    experiment.write_record("language_model", experiment.made_with() | found)


def _between_stops(chosen):
    """Write rows of all_sentences() in the four forms, between full stops: int (4 · n, 13)."""
    filled, lengths, _ = fill_forms(chosen)  # (4, n, 11), (4,)
    rows = np.full((*filled.shape[:2], MAX_LENGTH + 2), VOCABULARY.index(STOP))
    for form, length in enumerate(lengths):
        rows[form, :, 1 : length + 1] = filled[form, :, :length]
    return rows.reshape(-1, MAX_LENGTH + 2)


if __name__ == "__main__":
    main()
