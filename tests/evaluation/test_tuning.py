"""Settings that meet limits, written into an index: what the folder then does, and what is left when none do."""

import pytest

from colbert_kit import Searcher, models
from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.evaluation import MeasureConfig, encoded_corpus, measure_queries, search_run, tune
from colbert_kit.folders import Snapshot
from colbert_kit.indexes import SearchConfig
from colbert_kit.searcher.downloads import Download
from tests.evaluation.settings import DOCUMENTS, some_qrels, some_texts
from tests.searcher.test_searcher import contents

QUERIES = {f"q{number:03d}": text for number, text in enumerate(some_texts(120, seed=5, words=(2, 5)))}
QRELS = some_qrels(QUERIES)
FEW = dict(list(QUERIES.items())[:12])
ONCE = MeasureConfig(rounds=1, num_timed=2)
AN_HOUR = 3600.0
WITH_YEARS = [one | {"year": number} for number, one in enumerate(DOCUMENTS)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of each test's own."""
    monkeypatch.setenv("COLBERT_KIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def build(tmp_path, tiny_model):
    def build(**options):
        options = {"dtype": "float32", "exact_below": 0} | options
        return Searcher.build(tmp_path / "index", tiny_model, WITH_YEARS, **options)

    return build


@pytest.fixture
def searcher(build):
    return build()


def reopened(searcher):
    return Searcher.open(searcher.folder, searcher.model, dtype="float32", verify=True)


def kept(searcher):
    return Snapshot(searcher.folder).manifest.sections.get("search")


def bytes_on_disk(searcher):
    searcher.vacuum(grace_seconds=0)
    names = {".lock", "manifest.json"}
    return sum(len(content) for name, content in contents(searcher.folder).items() if name not in names)


def in_index(searcher):
    """Bytes of the index alone."""
    return searcher.num_bytes - searcher.document_bytes


# Search settings


def test_what_was_chosen_is_what_the_folder_does_from_now_on(searcher):
    tuned = tune(searcher, QUERIES, QRELS, min_quality=0.05, how=ONCE)

    again = reopened(searcher)
    assert again.search_config() == tuned.after.config
    run = search_run(again, {query: QUERIES[query] for query in tuned.after.qualities}, 10)
    judged = {query: QRELS[query] for query in run}
    assert tuned.after.qualities == pytest.approx(measure_queries(run, judged), abs=1e-6)
    assert tuned.after.bytes_per_document == bytes_on_disk(again) / 300


def test_a_quality_that_only_wide_settings_have_leads_to_one_of_them(searcher):
    # Recall 1 of scoring everything has only what scores everything.
    narrow = SearchConfig(nprobe=1, num_approximated=160, num_rescored=40)
    searcher.configure(narrow)

    tuned = tune(searcher, FEW, min_quality=1.0, how=ONCE)

    assert tuned.before.config == narrow
    assert tuned.before.recall < 1.0
    assert tuned.after.recall == 1.0
    assert "Gained: " in tuned.words
    assert f"{1.0 - tuned.before.recall:.4f} recall@10" in tuned.words


@pytest.fixture
def coarse(tmp_path, tiny_model):
    """An index of so many documents, and of so few bits, that narrow settings miss what scoring everything finds."""
    texts = some_texts(1500, seed=6, words=(4, 12))
    documents = [{"id": f"d{number:04d}", "text": text} for number, text in enumerate(texts)]
    return Searcher.build(tmp_path / "index", tiny_model, documents, dtype="float32", exact_below=0, nbits=1)


def test_the_default_is_kept_as_no_settings_so_that_it_grows_with_the_index(coarse):
    searcher = coarse
    searcher.configure(SearchConfig(nprobe=1, num_approximated=160, num_rescored=40))

    tuned = tune(searcher, QUERIES, min_quality=1.0, how=ONCE)

    assert tuned.after.config == SearchConfig(4, 4096, 1024)
    assert kept(searcher) is None


def test_an_index_that_is_best_as_it_is_is_not_written_to(coarse):
    before = contents(coarse.folder)

    tuned = tune(coarse, QUERIES, min_quality=1.0, how=ONCE)

    assert contents(coarse.folder) == before
    assert tuned.words.endswith("Nothing changes: the index was searched like this before.")


def test_the_figures_are_of_queries_that_did_not_choose(searcher):
    tuned = tune(searcher, QUERIES, QRELS, max_latency_seconds=AN_HOUR, how=ONCE)

    assert tuned.is_held_out
    assert set(tuned.before.qualities) == set(tuned.after.qualities) < set(QUERIES)
    assert tuned.num_chosen_by == len(QRELS) // 2
    assert tuned.after.num_queries == len(QRELS) - tuned.num_chosen_by
    assert f"Chosen by {tuned.num_chosen_by} queries, measured with {tuned.after.num_queries} others." in tuned.words
    assert (tuned.comparison.first, tuned.comparison.second) == (tuned.before.quality, tuned.after.quality)
    assert f"exact ranking: {tuned.exact_quality:.4f}" in tuned.words
    assert "of at most 3.6e+03 s asked for" in tuned.words


def test_few_queries_choose_and_are_measured_with_and_it_says_so(searcher):
    tuned = tune(searcher.folder, FEW, max_latency_seconds=AN_HOUR, how=ONCE)

    assert not tuned.is_held_out
    assert set(tuned.after.recalls) == set(FEW)
    assert "the same 12 queries, too few to keep half of them back: the setting looks better than it is" in tuned.words
    assert (tuned.comparison, tuned.exact_quality) == (None, None)
    assert "Recall@10 against scoring every document of the index as it is kept: " in tuned.words


def test_recall_is_against_exact_maxsim_where_the_corpus_is_encoded_already(searcher):
    texts = [{"id": one["id"], "text": one["text"]} for one in DOCUMENTS]
    encoded = encoded_corpus(searcher.model, texts, dtype="float32")

    tuned = tune(searcher, FEW, max_latency_seconds=AN_HOUR, how=ONCE)

    assert "Recall@10 against exact MaxSim of float16 token embeddings: " in tuned.words
    exact = search_run(encoded, FEW, 10)
    found = search_run(reopened(searcher), FEW, 10)
    shares = [len(set(exact[query]) & set(found[query])) / 10 for query in FEW]
    assert tuned.after.recall == pytest.approx(sum(shares) / 12)
    assert tuned.after.recall < 1.0


# Bits and pooling


def test_a_limit_on_bytes_changes_bits_and_pooling_and_leaves_texts_and_metadata(searcher, cache):
    searcher.remove(["d003", "d017"])
    documents = list(searcher.documents())
    limit = searcher.document_bytes + 0.75 * in_index(searcher)

    tuned = tune(searcher, QUERIES, QRELS, max_bytes=limit, how=ONCE)

    again = reopened(searcher)
    assert list(again.documents()) == documents
    assert bytes_on_disk(again) <= limit
    assert (again.nbits, again.pool_factor) == (tuned.after.nbits, tuned.after.pool_factor) != (4, 1)
    assert again.search_config() == tuned.after.config
    assert "Given up: " in tuned.words
    assert "Gained: " in tuned.words
    assert "asked for; before: " in tuned.words
    # The token embeddings are kept for the next time, what was built of them is not.
    assert len(list((cache / "corpora").iterdir())) == 1
    assert not list((cache / "variants").iterdir())


def test_a_second_time_nothing_is_encoded(searcher, monkeypatch):
    limit = searcher.document_bytes + 0.75 * in_index(searcher)
    tune(searcher, FEW, max_bytes=limit, how=ONCE)
    monkeypatch.setattr(models, "encode_documents", None)

    tune(searcher, FEW, max_bytes=0.9 * limit, how=ONCE)

    assert bytes_on_disk(searcher) <= 0.9 * limit


def test_an_index_that_is_not_compressed_has_other_forms_to_choose_from(build, cache):
    searcher = build(exact_below=10**9)
    limit = searcher.document_bytes + 0.55 * in_index(searcher)

    tuned = tune(searcher, FEW, max_bytes=limit, how=ONCE)

    assert tuned.before.setting == "float16, all documents scored"
    assert reopened(searcher).is_compressed
    assert bytes_on_disk(searcher) <= limit
    assert not (cache / "corpora").exists()


def test_an_index_that_is_not_compressed_stays_so_where_nothing_else_is_as_good(build):
    searcher = build(exact_below=10**9)

    tuned = tune(searcher, QUERIES, max_latency_seconds=AN_HOUR, how=ONCE)

    assert tuned.after.recall == 1.0
    assert not reopened(searcher).is_compressed
    assert tuned.num_tried > 3


def test_a_pooled_index_that_is_not_compressed_keeps_its_pooling(build):
    searcher = build(exact_below=10**9, pool_factor=2)

    tune(searcher, FEW, max_bytes=searcher.document_bytes + 50_000, how=ONCE)

    assert (reopened(searcher).is_compressed, reopened(searcher).pool_factor) == (True, 2)


def test_tuning_that_is_broken_off_changes_nothing_and_goes_on_with_what_was_built(searcher, cache):
    before = contents(searcher.folder)
    limit = searcher.document_bytes + 0.75 * in_index(searcher)

    def broken_off(progress):
        if progress.stage == "timing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(searcher, FEW, max_bytes=limit, how=ONCE, on_progress=broken_off)
    assert contents(searcher.folder) == before
    built = {path.name for path in (cache / "variants").iterdir()}
    events = []

    tune(searcher, FEW, max_bytes=limit, how=ONCE, on_progress=events.append)

    assert built
    assert {one.stage for one in events} == {"queries searched", "settings searched", "timing"}


# Limits that cannot be met


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_latency_seconds": 1e-9}, r"has a p95 of at most 1e-06 ms\. The nearest is 4 bits, nprobe"),
        (
            {"max_bytes": 300},
            r"nothing tried has at most 1 bytes a document\. The nearest is 1 bit, pooled by 3",
        ),
        (
            {"min_quality": 0.999, "max_latency_seconds": AN_HOUR},
            r"nDCG@10 of at least 0\.999\. The nearest is 4 bits, nprobe.*nDCG@10 0\.\d{4}, [\d,]+ bytes a document",
        ),
    ],
)
def test_limits_that_cannot_be_met_are_one_line_with_the_nearest_and_change_nothing(searcher, limits, message):
    before = contents(searcher.folder)

    with pytest.raises(InvalidInput, match=rf"^[^\n]*{message}[^\n]*\Z"):
        tune(searcher, QUERIES, QRELS, how=ONCE, **limits)

    assert contents(searcher.folder) == before


def test_a_setting_that_is_too_slow_the_second_time_is_passed_over(searcher, monkeypatch):
    """The clock is turned back for the half that chooses, so that there every setting looks fast enough."""
    from colbert_kit.evaluation import index_measures

    measured = index_measures.time_searches
    calls = []

    def flattering(settings, *rest):
        calls.append(len(settings))
        return [seconds * (1e-9 if len(calls) == 1 else 1) for seconds in measured(settings, *rest)]

    monkeypatch.setattr(index_measures, "time_searches", flattering)
    before = contents(searcher.folder)

    with pytest.raises(InvalidInput, match=r"has a p95 of at most 0\.0001 ms\. The nearest is"):
        tune(searcher, QUERIES, max_latency_seconds=1e-7, how=ONCE)

    assert calls[0] > 2
    assert set(calls[1:]) == {2}
    assert contents(searcher.folder) == before


def test_what_cannot_be_tuned_is_refused(searcher, build, tmp_path, tiny_model):
    with pytest.raises(InvalidConfig, match="give at least one limit"):
        tune(searcher, QUERIES)
    with pytest.raises(InvalidInput, match="there are no queries"):
        tune(searcher, {}, max_bytes=1000)
    with pytest.raises(InvalidInput, match="none of the 120 queries has a judgement"):
        tune(searcher, QUERIES, {"1": {"d001": 1}}, max_bytes=1000)
    empty = Searcher.build(tmp_path / "empty", tiny_model, [], dtype="float32")
    with pytest.raises(InvalidInput, match="holds no documents; there is nothing to tune"):
        tune(empty, QUERIES, max_bytes=1000)
    download = Searcher._open(
        searcher.folder, tiny_model, dtype="float32", verify=False, device=None, download=Download(tmp_path / "blobs")
    )
    with pytest.raises(InvalidInput, match="is never written to"):
        tune(download, QUERIES, max_bytes=1000)
