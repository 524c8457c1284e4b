"""``colbert-kit evaluate`` and ``compare``, as a user meets them."""

import json

import pytest

from colbert_kit import Searcher, data

QUERIES = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_documents):
    """A BEIR folder: each query has the first words of its one relevant document."""
    folder = tmp_path_factory.mktemp("beir") / "songs"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": one["id"], "title": "", "text": one["text"]} for one in tiny_documents]
    queries = [{"_id": f"q{n}", "text": " ".join(corpus[n]["text"].split()[:3])} for n in range(QUERIES)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for split in ("test", "dev"):
        judged = "".join(f"q{n}\t{corpus[n]['_id']}\t1\n" for n in range(QUERIES))
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory, tiny_model, folder):
    path = tmp_path_factory.mktemp("evaluated") / "my-index"
    Searcher.build(path, tiny_model, data.read_corpus(folder), dtype="float32")
    return path


@pytest.fixture
def report(call, tiny_model_folder, folder, tmp_path):
    code, output, errors = call("evaluate", tiny_model_folder, "--on", folder, "--output", tmp_path / "first")
    assert code == 0, errors
    return tmp_path / "first", output


def test_a_model_is_evaluated_on_a_folder_in_one_command(report):
    path, output = report

    assert "| songs:test | 30 | 24 |" in output
    assert "BM25" in output
    assert output.rstrip().endswith(f"Report: {path / 'report.md'}")
    assert {one.name for one in path.iterdir()} == {"report.md", "report.json", "model-index.yaml", "plots"}


def test_an_index_is_evaluated_and_compared_with_the_model(call, report, index, folder, tmp_path):
    first, _ = report
    code, _, errors = call(
        "evaluate", index, "--on", f"{folder}:test", "-o", tmp_path / "second", "--measure", "nDCG@10", "--no-exact"
    )
    assert code == 0, errors

    code, output, _ = call("compare", first, tmp_path / "second" / "report.json", "--index", index)
    assert code == 0
    assert output.startswith("## songs:test\n\n- my-index is not shown to differ from ")

    code, output, _ = call("compare", first, tmp_path / "second", "--json", "--system", "BM25")
    assert code == 0
    found = json.loads(output)["comparisons"]["songs:test"]
    assert found["comparison"]["ties"] == QUERIES
    assert found["corrected_p_value"] == 1.0


def test_changed_queries_are_shown_with_their_document_and_the_tokens_that_met(call, report, index, tmp_path):
    first, _ = report
    content = json.loads((first / "report.json").read_text())
    content["title"] = "worse"
    values = content["collections"][0]["systems"][0]["values"]["nDCG@10"]
    changed = next(query for query, value in values.items() if value > 0.5)
    values[changed] = 0.0
    content["collections"][0]["systems"][0]["top"][changed] = []
    (tmp_path / "worse.json").write_text(json.dumps(content))

    code, output, _ = call("compare", tmp_path / "worse.json", first, "--index", index)

    assert code == 0
    query = content["collections"][0]["queries"][changed]
    assert f"**{query}** ({changed}): worse 0.000," in output
    assert "not in the first ten and rank " in output
    assert "Tokens that met: " in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--on", "nothing"], "there is no folder or collection 'nothing'"),
        (["--on", "FOLDER:train"], "has no split 'train'; there are: dev, test"),
        (["--on", "FOLDER", "--measure", "nDGC@10"], "there is no measure 'nDGC@10'"),
        (["--on", "FOLDER", "--nbits", "3"], "nbits must be one of 1, 2, 4, 8, got 3"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_one_line(
    refused, tiny_model_folder, folder, tmp_path, arguments, message
):
    given = [one.replace("FOLDER", str(folder)) for one in arguments]

    assert message in refused("evaluate", tiny_model_folder, *given, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_report_that_is_there_is_kept(refused, report, tiny_model_folder, folder):
    path, _ = report
    before = (path / "report.json").read_bytes()

    assert "holds a report already" in refused("evaluate", tiny_model_folder, "--on", folder, "-o", path)
    assert (path / "report.json").read_bytes() == before


def test_reports_that_cannot_be_compared_are_refused(refused, report, tmp_path):
    path, _ = report
    content = json.loads((path / "report.json").read_text())
    content["collections"][0]["name"] = "other"
    (tmp_path / "other.json").write_text(json.dumps(content))

    assert "share no collection" in refused("compare", path, tmp_path / "other.json")
    assert "has no system 'bm25'; there are: index, exact MaxSim, BM25" in refused(
        "compare", path, path, "--system", "bm25"
    )
    assert "were not both measured by P@10" in refused("compare", path, path, "--measure", "P@10")
    assert "there is no report" in refused("compare", path, tmp_path / "none")
