"""Mutations that make the claims of the root page false."""

from attnbook.models import grammar, partners
from tests.chapters.worlds.common import attention_with, equal, right


def equal_weights(namespace, replace):
    "No word is weighed above another."
    replace("attention", attention_with(equal))


def an_untrained_model(namespace, replace):
    "The matrices are the random ones from before training."
    drawn = partners.start("one_head", 0)
    X = drawn["E"][grammar.ids(grammar.SENTENCE)]
    for name in "QKV":
        namespace[name] = X @ drawn[f"W_{name}"]


def black_is_found_in_the_place_of_mat(namespace, replace):
    "The keys of black and mat change places, so sat weighs cat and black."
    black, mat = namespace["black"], namespace["mat"]
    namespace["K"] = namespace["K"].copy()
    namespace["K"][[black, mat]] = namespace["K"][[mat, black]]


def each_row_waits_for_the_last(namespace, replace):
    "A row mixes in the output of the row before it, as a recurrent network would."

    def step_by_step(weights, value):
        out = weights @ value
        for i in range(1, len(out)):
            out[i] += 0.5 * out[i - 1]
        return out

    replace("attention", attention_with(right, step_by_step))


MUTATIONS = {
    1: [equal_weights, an_untrained_model],
    2: [an_untrained_model, black_is_found_in_the_place_of_mat],
    3: [each_row_waits_for_the_last],
}
