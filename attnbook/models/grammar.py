"""The grammar of the book's sentences: their words, their four forms, and the running example.

Every content word has partners: the verb its animal and its place, the colour its animal, the
animal its colour, the place its animal. Eight animal and place pairs, the cat on the rug among
them, never occur together in training.
"""

from collections.abc import Sequence

import numpy as np

FUNCTION_WORDS = ("the", ",", "which", "was", "on")
ANIMALS = ("cat", "dog", "fox", "hen", "cow", "pig", "owl", "goat")
COLOURS = ("black", "white", "brown", "grey")
VERBS = ("sat", "slept", "stood", "lay")
PLACES = ("mat", "rug", "bed", "bench", "step", "lawn", "roof", "wall")
VOCABULARY = FUNCTION_WORDS + ANIMALS + COLOURS + VERBS + PLACES
FORMS = (
    "the ANIMAL , which was COLOUR , VERB on the PLACE",
    "the COLOUR ANIMAL VERB on the PLACE",
    "on the PLACE VERB the COLOUR ANIMAL",
    "on the PLACE VERB the ANIMAL , which was COLOUR",
)
SENTENCE = tuple("the cat , which was black , sat on the mat".split())
SLOTS = {"ANIMAL": ANIMALS, "COLOUR": COLOURS, "VERB": VERBS, "PLACE": PLACES}
UNSEEN_PAIRS = tuple(
    zip(ANIMALS, PLACES[1:] + PLACES[:1], strict=True)
)  # cat and rug, dog and bed, ...
MAX_LENGTH = len(SENTENCE)


def ids(words: Sequence[str]) -> np.ndarray:
    """Return the index of each word in VOCABULARY.

    Args:
        words: N words.

    Returns:
        int (N,).

    Raises:
        ValueError: If a word is not in the vocabulary; the message names it.

    Example:
        >>> ids(["the", "cat"]).tolist()
        [0, 5]
    """
    for word in words:
        if word not in VOCABULARY:
            raise ValueError(f"words: got {word!r}, expected one of {len(VOCABULARY)} known words")
    return np.array([VOCABULARY.index(word) for word in words], dtype=int)


def all_sentences() -> np.ndarray:
    """Return every choice of animal, colour, verb and place.

    Returns:
        Indices into VOCABULARY, int (1024, 4).

    Example:
        >>> [VOCABULARY[i] for i in all_sentences()[0]]
        ['cat', 'black', 'sat', 'mat']
    """
    grid = np.meshgrid(*(ids(kind) for kind in SLOTS.values()), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, len(SLOTS))


def is_unseen(sentences: np.ndarray) -> np.ndarray:
    """Say which sentences hold an animal and a place that never occur together in training.

    Args:
        sentences: int (n, 4), rows of all_sentences().

    Returns:
        bool (n,).

    Example:
        >>> int(is_unseen(all_sentences()).sum())
        128
    """
    unseen = [ids(pair) for pair in UNSEEN_PAIRS]
    return (sentences[:, None, [0, 3]] == np.array(unseen)).all(-1).any(-1)


def fill_forms(sentences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write sentences in each of the four forms, padded with "the" to 11 words.

    Args:
        sentences: int (n, 4), rows of all_sentences().

    Returns:
        Indices into VOCABULARY, int (4, n, 11); the length of each form, int (4,); and where
        animal, colour, verb and place are in each form, int (4, 4).

    Example:
        >>> filled, lengths, places = fill_forms(all_sentences())
        >>> lengths.tolist(), places[0].tolist()
        ([11, 7, 7, 10], [1, 5, 7, 10])
    """
    filled = np.zeros((len(FORMS), len(sentences), MAX_LENGTH), dtype=int)
    places = np.zeros((len(FORMS), len(SLOTS)), dtype=int)
    for f, form in enumerate(FORMS):
        for i, word in enumerate(form.split()):
            if word in SLOTS:
                places[f, list(SLOTS).index(word)] = i
                filled[f, :, i] = sentences[:, list(SLOTS).index(word)]
            else:
                filled[f, :, i] = VOCABULARY.index(word)
    return filled, np.array([len(form.split()) for form in FORMS]), places
