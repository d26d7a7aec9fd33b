"""Answers to the exercises of query."""

ANSWERS = {
    "queries_of_linear": {
        "right": lambda X, weight, bias: X @ weight.T + bias,
        "wrong": [
            (lambda X, weight, bias: X @ weight + bias, "Which way is weight stored"),
            (lambda X, weight, bias: X @ weight, "The bias is missing, too"),
            (lambda X, weight, bias: X @ weight.T, "every query gets it"),
            (lambda X, weight, bias: X @ weight.T - bias, "add it"),
            (lambda X, weight, bias: weight @ X.T + bias[:, None], "one word per row"),
            (lambda X, weight, bias: weight @ X.T, "no bias"),
            (
                lambda X, weight, bias: X @ weight.reshape(X.shape[1], -1) + bias,
                "Which way is weight stored",
            ),
        ],
    },
}
