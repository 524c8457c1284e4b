import numpy as np
import pytest
import torch

from colbert_kit.errors import InvalidInput
from colbert_kit.scores import PackedEmbeddings


def test_texts_come_back_in_order_and_shape():
    texts = [np.full((n, 4), n, dtype=np.float32) for n in (2, 0, 1)]

    packed = PackedEmbeddings.pack(texts)

    assert (len(packed), packed.dim, packed.offsets.tolist()) == (3, 4, [0, 2, 2, 3])
    for text, again in zip(texts, packed, strict=True):
        np.testing.assert_array_equal(again, text)


@pytest.mark.parametrize(
    ("given_dtype", "kept"),
    [(torch.float32, "float32"), (torch.float16, "float16"), (torch.bfloat16, "float32"), (torch.float64, "float32")],
)
def test_tensors_become_float32_unless_they_are_float16(given_dtype, kept):
    tensor = torch.ones(2, 3, dtype=given_dtype, requires_grad=True)

    assert PackedEmbeddings.pack([tensor]).embeddings.dtype == kept


def test_float16_beside_float32_becomes_float32():
    packed = PackedEmbeddings.pack([np.ones((1, 2), dtype=np.float16), np.ones((1, 2), dtype=np.float32)])

    assert packed.embeddings.dtype == np.float32


def test_no_texts_have_the_dim_that_is_given():
    assert PackedEmbeddings.pack([], dim=7).embeddings.shape == (0, 7)


def test_one_padded_cube_is_refused():
    with pytest.raises(InvalidInput, match=r"one text must be \(num_tokens, dim\), got shape \(2, 3, 4\)"):
        PackedEmbeddings.pack([np.ones((2, 3, 4), dtype=np.float32)])


def test_texts_of_different_dim_are_refused():
    with pytest.raises(InvalidInput, match=r"same dim, got \[2, 3\]"):
        PackedEmbeddings.pack([np.ones((1, 2), dtype=np.float32), np.ones((1, 3), dtype=np.float32)])


@pytest.mark.parametrize(
    ("embeddings", "lengths", "message"),
    [
        (np.ones((3, 2), dtype=np.float32), [2], "sum to the 3 token embeddings"),
        (np.ones((3, 2), dtype=np.float32), [[3]], "one number a text"),
        (np.ones((1, 2), dtype=np.float32), [2, -1], "lengths must be 0 or more, got -1"),
        (np.ones((3, 2)), [3], "float32 or float16, got shape .* in float64"),
        (np.ones(3, dtype=np.float32), [3], "must be .num_tokens, dim."),
    ],
)
def test_arrays_that_do_not_fit_are_refused(embeddings, lengths, message):
    with pytest.raises(InvalidInput, match=message):
        PackedEmbeddings(embeddings, np.array(lengths, dtype=np.int64))
