"""Adapting a model: what it writes, and that it never calls worse better."""

import itertools
import json
import random

import pytest

from colbert_kit import models, recipes
from colbert_kit.errors import InvalidConfig, InvalidData
from tests.checkpoints import WORDS

NOUNS = [word for word in WORDS.split() if len(word) > 3 and not word.startswith("##")]
# A query's word stands for another one in the document, which only training can tell.
PAIRS = [
    {"query": f"the {first} and {second}", "positive": f"{NOUNS[(NOUNS.index(first) + 7) % len(NOUNS)]} of {second}"}
    for first, second in itertools.permutations(NOUNS[:18], 2)
]
SETTINGS = {
    "device": "cpu", "max_steps": 60, "learning_rate": 1e-2, "batch_size": 16, "eval_steps": 30, "lora": None,
    "temperature": 0.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, random.Random(2).sample(PAIRS, len(PAIRS)))))
    return path


@pytest.fixture(scope="module")
def adapted(tiny_model_folder, pairs, tmp_path_factory):
    output = tmp_path_factory.mktemp("adapted") / "out"
    return recipes.adapt(str(tiny_model_folder), str(pairs), output, settings=SETTINGS), output


def test_what_was_learnt_is_measured_on_queries_that_were_not(adapted):
    result, output = adapted
    rows = json.loads((output / "report.json").read_text())["measured"][0]

    assert rows["queries"] == 30
    assert result.measured[0].comparison.second > result.measured[0].comparison.first
    assert 0 <= result.measured[0].bm25 <= 1
    assert models.ColBERT(result.model_dir, device="cpu").encode_query("the rain").shape[1] == 16


def test_the_report_says_what_the_figures_say(adapted):
    result, output = adapted
    report = (output / "report.md").read_text()

    found = result.measured[0].comparison
    assert f"{found.first:.4f} | {found.second:.4f}" in report
    assert ("is better than its start model" in report) == result.is_better == found.is_better
    assert '"learning_rate": 0.01' in report


def test_a_model_that_learnt_nothing_is_not_called_better(tiny_model_folder, pairs, tmp_path):
    settings = SETTINGS | {"learning_rate": 1e-12, "max_steps": 2, "eval_steps": 1}
    result = recipes.adapt(str(tiny_model_folder), str(pairs), tmp_path / "out", settings=settings)

    assert not result.is_better
    assert "not shown to be better" in (tmp_path / "out" / "report.md").read_text()


def test_a_finished_folder_is_not_written_over(adapted, tiny_model_folder, pairs):
    _, output = adapted
    before = (output / "report.json").read_bytes()

    with pytest.raises(InvalidConfig, match="holds an adapted model already"):
        recipes.adapt(str(tiny_model_folder), str(pairs), output, settings=SETTINGS)
    assert (output / "report.json").read_bytes() == before


def test_too_few_pairs_are_refused_before_anything_is_written(tiny_model_folder, tmp_path):
    (tmp_path / "few.jsonl").write_text("\n".join(json.dumps(one) for one in PAIRS[:50]))

    with pytest.raises(InvalidData, match="there are 50 different queries; adapting needs 200"):
        recipes.adapt(str(tiny_model_folder), str(tmp_path / "few.jsonl"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"loss": "distillation"}}, "without a teacher that scores the loss of adapt is contrastive or"),
        (
            {"settings": {"loss": "contrastive"}, "teacher": print},
            "with a teacher that scores the loss of adapt is distillation",
        ),
        ({"settings": {"model": "other"}}, "adapt sets model itself"),
        ({"evaluate_on": ["folder"]}, "'path:split'"),
    ],
)
def test_what_cannot_work_is_refused_first(tiny_model_folder, pairs, tmp_path, change, message):
    with pytest.raises(InvalidConfig, match=message):
        recipes.adapt(str(tiny_model_folder), str(pairs), tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()


def test_work_that_was_stopped_goes_on_only_if_it_is_the_same(tiny_model_folder, pairs, tmp_path):
    def stop(progress):
        if progress.stage == "training":
            raise KeyboardInterrupt

    arguments = (str(tiny_model_folder), str(pairs), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        recipes.adapt(*arguments, settings=SETTINGS, on_progress=stop)
    mined = (tmp_path / "out" / "rows.parquet").read_bytes()
    for change in ({"settings": SETTINGS | {"seed": 7}}, {"settings": SETTINGS, "num_negatives": 3}):
        with pytest.raises(InvalidConfig, match="was begun with other"):
            recipes.adapt(*arguments, **change)
    result = recipes.adapt(*arguments, settings=SETTINGS)

    assert result.measured[0].queries == 30
    assert (tmp_path / "out" / "rows.parquet").read_bytes() == mined


def test_a_corpus_with_titles_knows_the_positives_without_them(tiny_model_folder, pairs, tmp_path, caplog):
    texts = sorted({one["positive"] for one in PAIRS})
    corpus = tmp_path / "corpus.jsonl"
    rows = [{"id": n, "title": NOUNS[n % len(NOUNS)], "text": one} for n, one in enumerate(texts)]
    corpus.write_text("\n".join(map(json.dumps, rows)))
    settings = SETTINGS | {"max_steps": 2, "eval_steps": 1}
    result = recipes.adapt(str(tiny_model_folder), str(pairs), tmp_path / "out", corpus=str(corpus), settings=settings)

    assert result.measured[0].documents == len(texts)
    assert "not in the corpus" not in caplog.text


def test_the_command_takes_settings_of_training_from_a_file(call, refused, tiny_model_folder, pairs, tmp_path):
    settings, output = tmp_path / "settings.yaml", tmp_path / "out"
    arguments = ("adapt", "--pairs", pairs, "--model", tiny_model_folder, "--output", output, "--settings", settings)
    for wrong, message in [
        ("epoch: 2", "epoch is no setting"),
        ("loss: distillation", "without a teacher that scores the loss"),
    ]:
        settings.write_text(wrong)
        assert message in refused(*arguments)
    assert not output.exists()
    settings.write_text("max_steps: 2\neval_steps: 1\nlora: null\nlearning_rate: 4.0e-7\ndevice: cpu\n")

    code, said, _ = call(*arguments)

    assert (code, "| held-out pairs | 30 |" in said) == (0, True)
    assert '"learning_rate": 4e-7' in (output / "report.md").read_text()
