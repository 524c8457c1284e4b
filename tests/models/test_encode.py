from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

from colbert_kit import models
from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.models import encode as encoding
from tests.checkpoints import DOCUMENTS, QUERIES, WORDS

RAGGED = ["", *DOCUMENTS, "late " * 5000, *QUERIES, "", "x", "   ", "the river runs " * 30, "?!,."]

ENCODERS = {
    "query": (models.encode_queries, "encode_query"),
    "document": (models.encode_documents, "encode_document"),
}


def stream(model: MultiVectorEncoder, role: str, texts: object, **rest: object) -> list[np.ndarray]:
    return [one for packed in ENCODERS[role][0](model, texts, dtype="float32", **rest) for one in packed]


def reference(model: MultiVectorEncoder, role: str, texts: list[str], **rest: object) -> list[np.ndarray]:
    return getattr(model, ENCODERS[role][1])(texts, convert_to_numpy=True, **rest)


def assert_same(ours: list[np.ndarray], theirs: list[np.ndarray], atol: float = 1e-5) -> None:
    assert [one.shape for one in ours] == [one.shape for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=atol, rtol=0)


def many(count: int) -> list[str]:
    words = [word for word in WORDS.split() if not word.startswith("##")]
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(words, generator.integers(0, 30))) for _ in range(count)]


@pytest.mark.parametrize("role", ENCODERS)
def test_stream_equals_sentence_transformers_in_input_order(family_model: MultiVectorEncoder, role: str):
    assert_same(stream(family_model, role, RAGGED), reference(family_model, role, RAGGED))


@pytest.mark.parametrize("role", ENCODERS)
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_windows_do_not_change_the_result(
    tiny_model: MultiVectorEncoder, role: str, size: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(encoding, "TEXTS_PER_WINDOW", size)
    batches = list(ENCODERS[role][0](tiny_model, iter(RAGGED), dtype="float32"))
    assert [len(packed) for packed in batches[:-1]] == [size] * (len(batches) - 1)
    assert sum(len(packed) for packed in batches) == len(RAGGED)
    assert_same([one for packed in batches for one in packed], reference(tiny_model, role, RAGGED))


@pytest.mark.parametrize("budget", [1, 64, 100_000])
def test_batches_do_not_change_the_result(tiny_model: MultiVectorEncoder, budget: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(encoding.TOKENS_PER_BATCH, "cpu", budget)
    assert_same(stream(tiny_model, "document", RAGGED), reference(tiny_model, "document", RAGGED))


def test_more_texts_than_a_window_in_bounded_batches(tiny_model: MultiVectorEncoder):
    texts = many(1100)
    batches = list(models.encode_documents(tiny_model, texts, dtype="float32"))
    assert [len(packed) for packed in batches] == [512, 512, 76]
    for packed in batches:
        assert packed.embeddings.dtype == np.float32
        assert packed.lengths.sum() == len(packed.embeddings)
    ours = [one for packed in batches for one in packed]
    assert_same(ours, reference(tiny_model, "document", texts))


def test_groups_keep_to_the_budget():
    lengths = np.asarray([5, 1, 9, 9, 3, 0, 40, 2])
    groups = encoding._group(lengths, 18)
    assert sorted(row for group in groups for row in group) == list(range(8))
    assert all(len(group) == 1 or len(group) * lengths[group].max() <= 18 for group in groups)
    assert groups[0].tolist() == [6]


@pytest.mark.parametrize("role", ENCODERS)
def test_no_texts_give_no_batches(tiny_model: MultiVectorEncoder, role: str):
    assert list(ENCODERS[role][0](tiny_model, [], dtype="float32")) == []
    assert list(ENCODERS[role][0](tiny_model, iter(()), dtype="float32")) == []


def test_texts_are_read_only_a_little_ahead(tiny_model: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoding, "TEXTS_PER_WINDOW", 4)
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        while True:  # endless: reading it all would hang
            read += 1
            yield "late rain"

    batches = models.encode_documents(tiny_model, texts(), dtype="float32")
    assert read == 0
    for number in range(1, 5):
        assert len(next(batches)) == 4
        assert read <= 4 * (number + 1)
    batches.close()


@pytest.mark.parametrize("pool_factor", [2, 3])
@pytest.mark.parametrize("size", [3, 512])
def test_pooling_is_that_of_sentence_transformers(
    tiny_model: MultiVectorEncoder, pool_factor: int, size: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(encoding, "TEXTS_PER_WINDOW", size)
    ours = stream(tiny_model, "document", RAGGED, pool_factor=pool_factor)
    plain = reference(tiny_model, "document", RAGGED)
    pooled = HierarchicalTokenPooling(pool_factor).pool([torch.from_numpy(one) for one in plain], task="document")
    assert_same(ours, [one.numpy() for one in pooled])
    assert sum(map(len, ours)) < sum(map(len, plain))


@pytest.mark.parametrize("role", ENCODERS)
def test_prompt_replaces_the_marker(tiny_model: MultiVectorEncoder, role: str):
    for prompt in ("", "song of ", models.compose_prompt(tiny_model, "song of ", role)):
        ours = stream(tiny_model, role, RAGGED, prompt=prompt)
        assert_same(ours, reference(tiny_model, role, RAGGED, prompt=prompt))


@pytest.mark.parametrize("role", ENCODERS)
def test_one_string_is_refused(tiny_model: MultiVectorEncoder, role: str):
    with pytest.raises(InvalidInput, match="got one string; put it in a list"):
        list(ENCODERS[role][0](tiny_model, "late rain", dtype="float32"))


@pytest.mark.parametrize("role", ENCODERS)
@pytest.mark.parametrize(("wrong", "kind"), [(3, "int"), (None, "NoneType"), (["a", "b"], "list"), (b"a", "bytes")])
def test_text_that_is_no_string_is_refused_with_its_position(
    tiny_model: MultiVectorEncoder, role: str, wrong: object, kind: str
):
    with pytest.raises(InvalidInput, match=f"must be strings, got {kind} at position 2"):
        list(ENCODERS[role][0](tiny_model, ["a", "b", wrong, "c"], dtype="float32"))


@pytest.mark.parametrize("wrong", [{"pool_factor": 0}, {"num_workers": 0}, {"pool_factor": -2}])
def test_counts_out_of_range_are_refused(tiny_model: MultiVectorEncoder, wrong: dict[str, int]):
    with pytest.raises(InvalidConfig, match="pool_factor and num_workers must be 1 or more"):
        models.encode_documents(tiny_model, ["late"], **wrong)


def test_error_while_encoding_reaches_the_caller(tiny_model: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no tokens today")

    monkeypatch.setattr(tiny_model, "preprocess", broken)
    with pytest.raises(RuntimeError, match="no tokens today"):
        list(models.encode_documents(tiny_model, ["late"], dtype="float32"))


def test_threads_that_encode_queries_and_documents_at_once_cut_neither_to_the_others_length(
    tiny_model: MultiVectorEncoder,
):
    texts = {"query": "late rain", "document": " ".join(["late rain on the city"] * 8)}
    roles = ("query", "document")

    def encode(number: int) -> tuple[int, ...]:
        role = roles[number % 2]
        return models.encode_window(tiny_model, [texts[role]], role).embeddings.shape

    alone = [encode(0), encode(1)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads change places in the middle of a call
    try:
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(encode, range(1000)))
    finally:
        sys.setswitchinterval(before)
    assert alone[0] != alone[1]
    assert together == alone * 500


@pytest.mark.skipif(torch.get_num_threads() < 2, reason="needs a second core to leave free")
def test_a_query_by_itself_leaves_the_other_cores_to_the_search_that_follows(
    tiny_model: MultiVectorEncoder, monkeypatch: pytest.MonkeyPatch
):
    cores = torch.get_num_threads()
    seen = []
    forward = encoding._run
    monkeypatch.setattr(encoding, "_run", lambda *rest: (seen.append(torch.get_num_threads()), forward(*rest))[1])

    for texts, role in ((["one"], "query"), (["one", "two"], "query"), (["one"], "document")):
        encoding.encode_window(tiny_model, texts, role)

    assert seen == [1, cores, cores]
    assert torch.get_num_threads() == cores


def test_training_mode_does_not_drop_out(tiny_model_folder: Path, tiny_model: MultiVectorEncoder):
    model = models.ColBERT(tiny_model_folder, device="cpu").train()
    assert_same(stream(model, "document", RAGGED), reference(tiny_model, "document", RAGGED))


PEAK = """
import resource, sys
import numpy as np, torch
torch.set_num_threads(1)
from colbert_kit import models
model = models.ColBERT(sys.argv[1], device="cpu")
for _ in models.encode_documents(model, ["late rain on the city"] * 1024, dtype="float32"):
    pass
loaded = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
words = "city river rain song train mountain old late night".split()
texts = (" ".join(words[(row * 7 + i) % 9] for i in range(row % 20)) for row in range(int(sys.argv[2])))
tokens = sum(int(packed.lengths.sum()) for packed in models.encode_documents(model, texts, dtype="float32"))
print(tokens, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - loaded)
"""


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_the_corpus(tiny_model_folder: Path):
    def peak(count: int) -> tuple[int, int]:
        command = [sys.executable, "-c", PEAK, str(tiny_model_folder), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        tokens, above = map(int, done.stdout.split())
        return tokens, above

    (few_tokens, few), (many_tokens, many) = peak(5_000), peak(50_000)
    assert many_tokens > 9 * few_tokens
    # Two megabytes of slack: above the loaded model so little is needed that the allocator's noise would count.
    assert many <= 1.1 * few + 2_000_000, (few, many)
