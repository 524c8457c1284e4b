"""The fused metric: refused where it cannot run, and otherwise MaxSim of the same shapes."""

import sys
import types

import pytest
import torch
from sentence_transformers.multi_vector_encoder.scoring import (
    colbert_kd_scores,
    colbert_scores,
    colbert_scores_pairwise,
)

from colbert_kit import losses
from colbert_kit.errors import InvalidConfig
from colbert_kit.losses.metrics import cross_metric, own_metric, pairwise_metric

METRICS = [(cross_metric, colbert_scores), (own_metric, colbert_kd_scores), (pairwise_metric, colbert_scores_pairwise)]


def test_without_cuda_it_is_refused_when_the_loss_is_made(tiny_model):
    with pytest.raises(InvalidConfig, match=r'"fused" needs a CUDA device.*use "colbert"'):
        losses.Contrastive(tiny_model, score_metric="fused")


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "late_interaction_kernels", None)
    with pytest.raises(InvalidConfig, match=r"pip install late-interaction-kernels"):
        cross_metric("fused")


def documented(queries, documents, queries_mask, documents_mask):
    """What late-interaction-kernels 0.4.5 says its ``maxsim`` computes."""
    own = documents.dim() == 4
    similarities = torch.einsum("qsh,qnth->qnst" if own else "qsh,nth->qnst", queries, documents)
    hidden = ~(documents_mask[:, :, None] if own else documents_mask[None, :, None])
    best = similarities.masked_fill(hidden, -torch.inf).amax(-1)
    return best.masked_fill(~queries_mask[:, None], 0).sum(-1)


@pytest.mark.parametrize(("metric", "expected"), METRICS)
def test_the_kernel_is_called_so_that_it_gives_what_sentence_transformers_gives(monkeypatch, metric, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "late_interaction_kernels", types.SimpleNamespace(maxsim=documented))
    check(metric, expected, "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize(("metric", "expected"), METRICS)
def test_on_a_gpu_the_real_kernel_gives_the_same(metric, expected):
    pytest.importorskip("late_interaction_kernels")
    check(metric, expected, "cuda")


def check(metric, expected, device):
    torch.manual_seed(2)
    shape = {cross_metric: (2, 3), own_metric: (4, 3), pairwise_metric: (4,)}[metric]
    queries = torch.nn.functional.normalize(torch.randn(4, 6, 16, device=device), dim=-1)
    documents = torch.nn.functional.normalize(torch.randn(*shape, 9, 16, device=device), dim=-1)
    queries_mask = torch.rand(4, 6, device=device) > 0.2
    documents_mask = torch.rand(*shape, 9, device=device) > 0.3
    documents_mask[0] = False  # nothing left of it
    masks = {"queries_mask": queries_mask, "documents_mask": documents_mask}

    found, wanted = metric("fused")(queries, documents, **masks), expected(queries, documents, **masks)

    assert found.shape == wanted.shape
    real = wanted > -1e6
    torch.testing.assert_close(found[real], wanted[real], atol=1e-4, rtol=1e-4)
    assert (found[~real] < -1e6).all()
