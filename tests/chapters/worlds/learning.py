"""Mutations that make the claims of the chapter learning false."""


def a_softer_softmax(namespace, replace):
    "Scores are halved on their way to the weights, so the slope at a score is another."
    plain = namespace["softmax"]
    replace("softmax", lambda scores, **options: plain(scores / 2, **options))


def only_attention_learns(namespace, replace):
    "The embeddings that the values read, W_V and W_O stay as they were drawn."
    if "model_at" not in namespace:
        return
    plain = namespace["model_at"]

    def model_at(step, seed):
        learned = {name: plain(step, seed)[name] for name in ("W_Q", "W_K")}
        return plain(0, seed) | learned

    namespace["model_at"] = model_at


def nothing_is_learned(namespace, replace):
    "After the run the matrices are the ones that were drawn."
    if "trained" not in namespace:
        return
    namespace["trained"] = {
        name: tensor.new_tensor(namespace["history"][0][name])
        for name, tensor in namespace["trained"].items()
    }


def light_words_count_most(namespace, replace):
    "The mixture uses the weights upside down."

    def upside_down(weights, value):
        flipped = 1 / weights
        return flipped / flipped.sum(axis=-1, keepdims=True) @ value

    replace("weighted_sum", upside_down)


MUTATIONS = {
    9: [a_softer_softmax, only_attention_learns, nothing_is_learned],
    12: [light_words_count_most],
}
