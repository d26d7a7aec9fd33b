"""all-MiniLM-L6-v2 in attnlib against the transformers library; and how its files are kept."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from attnbook.models import minilm
from attnlib.nn import EncoderLayer
from tests.support.notebooks import ROOT

SENTENCES = [
    "The cat, which was black, sat on the mat",
    "Cats!",
    "An unbelievably long-winded sentence, with numbers (3.14) and naïve accents, pieces and all.",
    "",
]
needs_weights = pytest.mark.minilm


@pytest.fixture(scope="module")
def model():
    return minilm.load()


@pytest.fixture(scope="module")
def theirs():
    """What transformers makes of the same files, in float32 as people run it."""
    transformers = pytest.importorskip("transformers")
    folder = minilm.FILES.where()
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]"
    )
    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        return batch, model.eval()(**batch, output_attentions=True)


def pooled_in_a_loop(states, mask):
    rows = []
    for row, keep in zip(states, mask.bool(), strict=True):
        mean = row[keep].mean(dim=0)
        rows.append(mean / mean.norm())
    return torch.stack(rows)


@needs_weights
def test_tokens_as_in_transformers(theirs):
    tokens, ids, lengths = minilm.tokenize(SENTENCES)
    batch, _ = theirs
    assert torch.equal(ids, batch["input_ids"])
    assert torch.equal(lengths, batch["attention_mask"].sum(dim=1))
    assert [len(t) for t in tokens] == lengths.tolist()
    assert tokens[1] == ["[CLS]", "cats", "!", "[SEP]"]


@needs_weights
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_embeddings_and_weights_as_in_transformers(theirs, dtype):
    batch, out = theirs
    model = minilm.load(dtype=dtype)
    _, ids, lengths = minilm.tokenize(SENTENCES)
    states, weights = model(ids, lengths, return_weights=True)
    assert states.dtype == weights.dtype == dtype
    vectors = minilm.sentence_embedding(states, lengths)
    expected = pooled_in_a_loop(out.last_hidden_state, batch["attention_mask"])
    torch.testing.assert_close(vectors.float(), expected, rtol=0, atol=1e-6)
    for b, n in enumerate(lengths):  # what stands behind a sentence's end means nothing
        torch.testing.assert_close(
            states[b, :n].float(), out.last_hidden_state[b, :n], rtol=1e-4, atol=1e-5
        )
        for layer, maps in enumerate(out.attentions):
            torch.testing.assert_close(
                weights[b, layer, :, :n, :n].float(), maps[b, :, :n, :n], rtol=1e-4, atol=1e-6
            )
            assert (weights[b, layer, :, :, n:] == 0).all(), "filling is never looked at"


@needs_weights
def test_a_sentence_is_the_same_alone_and_in_a_batch(model):
    _, ids, lengths = minilm.tokenize(SENTENCES)
    together = minilm.sentence_embedding(model(ids, lengths), lengths)
    for text, vector in zip(SENTENCES, together, strict=True):
        _, ids, lengths = minilm.tokenize([text])
        alone = minilm.sentence_embedding(model(ids, lengths), lengths)[0]
        torch.testing.assert_close(alone, vector, rtol=1e-12, atol=1e-12)


@needs_weights
def test_more_than_512_tokens_are_refused(model):
    with pytest.raises(ValueError, match="ids: got 513 tokens, expected at most 512"):
        model(torch.zeros(1, 513, dtype=torch.long), torch.tensor([513]))


@pytest.mark.parametrize(("num_heads", "head"), [(1, 0), (3, 0), (3, 2), (6, 4)])
def test_a_silenced_head_against_a_loop(num_heads, head):
    torch.manual_seed(0)
    layer = EncoderLayer(12, num_heads, 20).double()
    X, part, d = torch.randn(5, 12, dtype=torch.float64), layer.self_attention, 12 // num_heads
    expected = part.W_O.bias.expand(5, 12)
    for h in range(num_heads):
        if h == head:
            continue
        own = slice(h * d, h * d + d)
        Q, K, V = ((X @ W.weight.T + W.bias)[:, own] for W in (part.W_Q, part.W_K, part.W_V))
        weights = (Q @ K.T / d**0.5).softmax(dim=-1)
        expected = expected + weights @ V @ part.W_O.weight[:, own].T
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    with minilm.without_head(layer, head):
        got = part(X, X, X)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    assert all(torch.equal(before[name], tensor) for name, tensor in layer.state_dict().items())


def test_a_silenced_head_comes_back_after_an_error():
    layer = EncoderLayer(8, 2, 16)
    kept = layer.self_attention.W_O.weight.clone()
    with pytest.raises(RuntimeError), minilm.without_head(layer, 0):
        raise RuntimeError
    assert torch.equal(layer.self_attention.W_O.weight, kept)


@pytest.mark.parametrize("head", [-1, 2])
def test_a_head_that_is_not_there_is_refused(head):
    with pytest.raises(ValueError, match=f"head: got {head}, expected 0 to 1"):
        with minilm.without_head(EncoderLayer(8, 2, 16), head):
            pass


def test_pooling_against_a_loop():
    rng = np.random.default_rng(0)
    states = torch.tensor(rng.standard_normal((4, 7, 5)))
    lengths = torch.tensor([7, 1, 3, 6])
    mask = torch.tensor([[i < n for i in range(7)] for n in lengths])
    got = minilm.sentence_embedding(states, lengths)
    torch.testing.assert_close(got, pooled_in_a_loop(states, mask), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("sentences", "error", "message"),
    [
        ("one text", TypeError, "sentences: got the text 'one text', expected a list of texts"),
        ([], ValueError, "sentences: got none, expected at least one text"),
    ],
)
def test_no_list_of_texts_is_refused(sentences, error, message):
    with pytest.raises(error, match=f"^{message}"):
        minilm.tokenize(sentences)


# --- the files


def test_weights_with_another_digest_are_not_read(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(ValueError, match="model.safetensors: got SHA-256"):
        minilm.load(tmp_path)
    with pytest.raises(ValueError, match="tokenizer.json: got SHA-256"):
        minilm.tokenize(["a text"], tmp_path)


def test_missing_weights_are_an_error_that_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNLIB_MINILM_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="`python -m attnbook.models.minilm` fetches 87 MB"):
        minilm.load()


@needs_weights
def test_the_size_is_the_files(model):
    sizes = [minilm.FILES.path(name).stat().st_size for name in minilm.FILES.sha256]
    assert minilm.FILES.megabytes == round(sum(sizes) / 2**20)


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "verdict"), [("", b"skipped"), ("true", b"failed")])
def test_without_the_weights_tests_skip_and_in_ci_they_fail(tmp_path, ci, verdict):
    environment = os.environ | {"ATTNLIB_MINILM_DIR": str(tmp_path), "CI": ci}
    files = ["tests/attnbook/models/test_minilm.py::test_tokens_as_in_transformers"]
    files += ["chapters/trained_model.ipynb::Cell 0"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    last = done.stdout.splitlines()[-1]
    assert verdict in last or b"error" in last and ci, done.stdout.decode()
    assert (done.returncode == 0) == (not ci)
    if not ci:
        assert b"2 skipped" in last and b"run `python -m attnbook.models.minilm`" in done.stdout
