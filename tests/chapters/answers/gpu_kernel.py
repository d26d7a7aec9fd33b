"""Answers to the exercises of gpu_kernel."""


def offset(kv_head, j, c, M, d):
    return (kv_head * M + j) * d + c


ANSWERS = {
    "key_offset": {
        "right": lambda h, j, c, H, H_kv, M, d: offset(h * H_kv // H, j, c, M, d),
        "wrong": [
            (lambda h, j, c, H, H_kv, M, d: offset(h, j, c, M, d), "which one does head h use"),
            (lambda h, j, c, H, H_kv, M, d: offset(h % H_kv, j, c, M, d), "Consecutive"),
            (lambda h, j, c, H, H_kv, M, d: offset(h // H_kv, j, c, M, d), "how many query heads"),
            (lambda h, j, c, H, H_kv, M, d: (h * H_kv // H + j) * d + c, "has M rows"),
            (lambda h, j, c, H, H_kv, M, d: h * H_kv // H * M * d + j + c, "holds d numbers"),
            (lambda h, j, c, H, H_kv, M, d: h * H_kv // H * M * d + c * M + j, "side by side"),
            (lambda h, j, c, H, H_kv, M, d: j * d + c, "head is missing"),
        ],
    },
}
