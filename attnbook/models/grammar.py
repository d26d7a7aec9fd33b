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
    """The grammar of the book's sentences: their words, their four forms, and the running example.

    Every content word has partners: the verb its animal and its place, the colour its animal, the
    animal its colour, the place its animal. Eight animal and place pairs, the cat on the rug among
    them, never occur together in training.
    """
    for word in words:
        if word not in VOCABULARY:
            raise ValueError(f"words: {word!r} is not among the {len(VOCABULARY)} known words")
    return np.array([VOCABULARY.index(word) for word in words], dtype=int)


def all_sentences() -> np.ndarray:
    """The grammar of the book's sentences: their words, their four forms, and the running example.

    Every content word has partners: the verb its animal and its place, the colour its animal, the
    animal its colour, the place its animal. Eight animal and place pairs, the cat on the rug among
    them, never occur together in training.
    """
    grid = np.meshgrid(*(ids(kind) for kind in SLOTS.values()), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, len(SLOTS))


def is_unseen(sentences: np.ndarray) -> np.ndarray:
    """The grammar of the book's sentences: their words, their four forms, and the running example.

    Every content word has partners: the verb its animal and its place, the colour its animal, the
    animal its colour, the place its animal. Eight animal and place pairs, the cat on the rug among
    them, never occur together in training.
    """
    unseen = [ids(pair) for pair in UNSEEN_PAIRS]
    return (sentences[:, None, [0, 3]] == np.array(unseen)).all(-1).any(-1)


def fill_forms(sentences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The grammar of the book's sentences: their words, their four forms, and the running example.

    Every content word has partners: the verb its animal and its place, the colour its animal, the
    animal its colour, the place its animal. Eight animal and place pairs, the cat on the rug among
    them, never occur together in training.
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
