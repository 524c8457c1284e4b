"""A model of one table: each token id has its own vector. Slow enough to follow, fast enough for finite differences."""

import numpy as np
import torch
from torch import nn

WORDS, DIM = 23, 6
PAD = 0


class Table(nn.Module):
    """Token embeddings of unit length, looked up; id ``WORDS`` - 1 is never scored in a document."""

    def __init__(self, seed=0, dtype=torch.float64):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.vectors = nn.Parameter(torch.randn(WORDS, DIM, generator=generator, dtype=torch.float64).to(dtype))

    def forward(self, features, task=None):
        embeddings = nn.functional.normalize(self.vectors[features["input_ids"]], dim=-1)
        mask = features["attention_mask"].bool()
        if task != "query":
            mask = mask & (features["input_ids"] != WORDS - 1)
        return {**features, "token_embeddings": embeddings, "attention_mask": mask}

    def arrays(self, texts, skip=False):
        """What the oracle takes: of each text its vectors in float64."""
        table = self.vectors.detach().double().numpy()
        table = table / np.linalg.norm(table, axis=1, keepdims=True)
        kept = [[one for one in text if not (skip and one == WORDS - 1)] for text in texts]
        return [table[text] for text in kept]


def texts_of(generator, number, longest):
    return [generator.integers(1, WORDS, generator.integers(2, longest + 1)).tolist() for _ in range(number)]


def columns(queries, *documents):
    """Features of a batch; None among the documents is one that is missing."""
    missing = any(text is None for column in documents for text in column)
    batch = [features(queries, "query")]
    for column in documents:
        one = features([[PAD] if text is None else text for text in column], "document")
        if missing:
            one["missing"] = torch.tensor([text is None for text in column])
        batch.append(one)
    return batch


def features(texts, task):
    width = max(map(len, texts))
    ids = torch.tensor([text + [PAD] * (width - len(text)) for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
    return {"input_ids": ids, "attention_mask": mask, "task": task}


def value_and_gradient(loss, model, batch, labels=None):
    model.zero_grad()
    value = loss(batch, labels)
    value.backward()
    return float(value.detach()), model.vectors.grad.clone()


def slopes(function, model, entries, step=1e-5):
    """Central differences of ``function()`` by some entries of the table."""
    found = []
    for row, column in entries:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                model.vectors[row, column] += sign * step
            values.append(function())
            with torch.no_grad():
                model.vectors[row, column] -= sign * step
        found.append((values[0] - values[1]) / (2 * step))
    return np.asarray(found)
