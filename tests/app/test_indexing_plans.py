"""Before an index is built: what it will weigh and cost, and where it goes."""

import re
from pathlib import Path

import pytest

from colbert_kit.app.prediction import EXACT_BELOW, MEASURED, compressed_bytes, describe_quality, predict
from colbert_kit.app.shelf import IndexFacts, Shelf, slug_of
from colbert_kit.errors import InvalidInput

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "format_1"
ROW = re.compile(r"\| (\d) \| (exact|\d) ?(?:bits?)?[^|]*\| ([\d,]+) \| ([\d.]+) \|")


def documented() -> list[tuple[int, int | None, int, float]]:
    """Pooling, bits, bytes a document and nDCG@10: SciFact's rows, then CoSQA's."""
    rows = ROW.findall((ROOT / "docs" / "compression.md").read_text())
    return [
        (int(pool), None if bits == "exact" else int(bits), int(size.replace(",", "")), float(quality))
        for pool, bits, size, quality in rows
    ]


def test_the_quality_that_is_promised_is_what_the_documentation_measured():
    rows = documented()
    assert len(rows) == 24
    for number, (pool, bits, _, quality) in enumerate(rows):
        if bits is not None or pool == 1:
            assert MEASURED[bits, pool][number // 12] == quality


def test_predicted_bytes_are_within_a_twentieth_of_the_measured_ones():
    tokens_a_document = {1: 184_097 / 768, 2: 92_113 / 768, 3: 61_820 / 768}
    for pool, bits, size, _ in documented()[:12]:
        if bits is not None:
            predicted = compressed_bytes(round(5183 * tokens_a_document[pool]), 384, bits) / 5183
            assert predicted == pytest.approx(size, rel=0.05)


def test_a_small_index_is_predicted_to_stay_exact():
    from colbert_kit.indexes import EXACT_BELOW as truth

    assert truth == EXACT_BELOW
    small, large = (predict(n, 100, 700, nbits=4, pool_factor=1) for n in (100, 10_000))
    assert (small.is_exact, small.embedding_bytes) == (True, 100 * 150 * 256)
    assert not large.is_exact
    passages = predict(10, 1000, 7000, nbits=4, pool_factor=1, passage_words=120)
    assert (passages.num_documents, passages.text_bytes > 70_000) == (110, True)


def test_a_loss_is_said_where_it_was_measured_and_nothing_where_it_was_not():
    assert "lost nothing" in describe_quality(4, 1)
    assert "lost 0.012 on CoSQA" in describe_quality(1, 1)
    assert "were not measured" in describe_quality(8, 1)


def test_a_name_becomes_a_folder_inside_the_shelf(tmp_path):
    assert slug_of("../../etc/passwd") == "etc-passwd"
    with pytest.raises(InvalidInput, match="needs a letter"):
        slug_of("../..")
    shelf = Shelf(tmp_path)
    assert shelf.free_place("My Notes!") == tmp_path / "my-notes"
    (tmp_path / "my-notes").mkdir()
    with pytest.raises(InvalidInput, match="there is an index 'my-notes' already"):
        shelf.free_place("my notes")


def test_only_an_index_of_the_shelf_is_found():
    shelf = Shelf(GOLDEN)
    assert set(shelf.names()) >= {"small", "compressed"}
    assert shelf.find("small") == GOLDEN / "small"
    for name in ("../format_1/small", "gone", "", None, ".", ".."):
        with pytest.raises(InvalidInput):
            shelf.find(name)


def test_an_index_says_what_it_holds():
    small = IndexFacts.read(GOLDEN / "small")
    assert (small.num_documents, small.nbits, small.model) == (28, None, "tiny-model")
    with pytest.raises(InvalidInput, match="is no index"):
        IndexFacts.read(GOLDEN)
