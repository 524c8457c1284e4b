"""An index of 120 documents, compressed and small."""

import pytest

from tests.indexes.corpora import plaid_of, some_documents


@pytest.fixture(params=[0, 10**9], ids=["compressed", "small"])
def exact_below(request):
    return request.param


@pytest.fixture
def index(tmp_path, exact_below):
    return plaid_of(tmp_path, some_documents(120), exact_below=exact_below)
