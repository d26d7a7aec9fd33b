"""Mutations that make the claims of the chapter benefits false."""

from types import SimpleNamespace

import numpy as np
import torch

from attnbook.models import recall
from attnlib import softmax


def words_wait_for_words(namespace, replace):
    "Each output is mixed with the output before it: attention becomes a recurrent network."

    def waiting(weights, value):
        rows = []
        for row in weights:
            mixed = row[None] @ value  # (1, d_v)
            if rows:
                mixed = mixed + rows[-1] @ (value.T @ value) / 1e3
            rows.append(mixed)
        return torch.cat(rows) if hasattr(value, "detach") else np.concatenate(rows)

    replace("weighted_sum", waiting)


def a_recurrent_network_does_not_wait(namespace, replace):
    "The recurrent networks read every word apart from the others."
    namespace["rnn"] = namespace["lstm"] = lambda X: (X @ X.new_ones(64, 64), None)


def attention_fades_with_distance(namespace, replace):
    "A tenth of every weight is lost with each word of distance from the end."

    def fading(scores, axis=-1):
        steps = np.arange(scores.shape[-1])[::-1] * 0.1
        steps = scores.new_tensor(steps.copy()) if hasattr(scores, "detach") else steps
        return softmax(scores - steps, axis=axis)

    replace("softmax", fading)


def the_forget_bias_does_nothing(namespace, replace):
    "Every LSTM keeps the bias that torch gave it."
    namespace["recall"] = SimpleNamespace(set_forget_bias=lambda lstm, bias: lstm)


def attention_cannot_choose(namespace, replace):
    "Every word gets the same weight."
    replace("softmax", lambda scores, axis=-1: scores * 0 + 1 / scores.shape[-1])


def the_lstm_recalls_everything(namespace, replace):
    "The record says that every model is always right."
    changed = vars(recall) | {"recorded": lambda kind, num_pairs, steps: np.ones(1)}
    namespace["recall"] = SimpleNamespace(**changed)


def length_costs_nothing(namespace, replace):
    "The softmax is so sharp that a thousand fillers together get no weight."
    replace("softmax", lambda scores, axis=-1: softmax(scores * 50, axis=axis))


MUTATIONS = {
    3: [words_wait_for_words, a_recurrent_network_does_not_wait],
    4: [attention_fades_with_distance, the_forget_bias_does_nothing],
    16: [attention_cannot_choose, the_lstm_recalls_everything],
    17: [attention_fades_with_distance, length_costs_nothing],
    18: [words_wait_for_words, a_recurrent_network_does_not_wait],
}
