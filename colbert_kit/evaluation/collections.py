"""Test collections by name: BEIR, NanoBEIR, BRIGHT and LoTTE, from a folder or from the Hub."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colbert_kit import data, hub
from colbert_kit.errors import InvalidData, InvalidInput
from colbert_kit.evaluation.runs import Qrels, Run

__all__ = ["BEIR_SETS", "BRIGHT_SETS", "NANO_SETS", "Collection", "load_collection"]

BEIR_SETS = (
    "arguana", "climate-fever", "cqadupstack", "dbpedia-entity", "fever", "fiqa", "hotpotqa", "msmarco", "nfcorpus",
    "nq", "quora", "scidocs", "scifact", "trec-covid", "webis-touche2020",
)  # fmt: skip

NANO_SETS = {
    "arguana": "ArguAna", "climatefever": "ClimateFEVER", "dbpedia": "DBPedia", "fever": "FEVER",
    "fiqa2018": "FiQA2018", "hotpotqa": "HotpotQA", "msmarco": "MSMARCO", "nfcorpus": "NFCorpus", "nq": "NQ",
    "quoraretrieval": "QuoraRetrieval", "scidocs": "SCIDOCS", "scifact": "SciFact", "touche2020": "Touche2020",
}  # fmt: skip
"""NanoBEIR's sets, and the names of their splits in ``sentence-transformers/NanoBEIR-en``."""

BRIGHT_SETS = (
    "aops", "biology", "earth_science", "economics", "leetcode", "pony", "psychology", "robotics", "stackoverflow",
    "sustainable_living", "theoremqa_questions", "theoremqa_theorems",
)  # fmt: skip

SELF_MATCHING = ("arguana", "quora", "quoraretrieval")
"""Sets whose queries are among their documents; BEIR leaves a document out that has the query's own id."""

SPLITS = ("test", "dev", "validation")

Documents = Callable[[], Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Collection:
    """Queries, judgements, and documents that are read when they are wanted.

    Args:
        name: ``"scifact:test"``.
        documents: Gives a new stream of ``{"id", "text", ...}`` each time; nothing is held.
        queries: Texts by query id, of judged queries only.
        qrels: Relevance by document id, by query id.
        excluded: By query id, documents that count neither as right nor as wrong: they are taken out of a ranking.

    Raises:
        InvalidData: No query is judged.
    """

    name: str
    documents: Documents
    queries: Mapping[str, str]
    qrels: Qrels
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.queries or set(self.queries) != set(self.qrels):
            raise InvalidData(f"{self.name}: there must be judged queries, and the text of each of them.")

    def without_excluded(self, run: Run, k: int) -> dict[str, dict[str, float]]:
        """A run without the documents that do not count, ``k`` a query at most."""
        kept = {}
        for query, scores in run.items():
            left = {one: score for one, score in scores.items() if one not in self.excluded.get(query, ())}
            best = sorted(left, key=lambda one: (-left[one], one))[:k]
            kept[query] = {one: left[one] for one in best}
        return kept


def load_collection(name: str) -> Collection:
    """Find a test collection.

    Args:
        name: One of these, with ``":SPLIT"`` after it where it is not ``test``:

            - a BEIR folder (``corpus.jsonl``, ``queries.jsonl``, ``qrels/``) or a LoTTE folder (``collection.tsv``,
              ``qas.search.jsonl``; the split is ``search`` or ``forum``);
            - ``scifact`` and BEIR's other sets, from ``BeIR/...`` on the Hub;
            - ``nanobeir/scifact``, from ``sentence-transformers/NanoBEIR-en``;
            - ``bright/biology``, from ``xlangai/BRIGHT``;
            - ``ORGANISATION/NAME``, a Hub dataset with the configurations ``corpus``, ``queries`` and ``default``, as
              MTEB's are.

    Raises:
        InvalidInput: There is no such collection or split.
        InvalidData: A row cannot be read, or no query is judged.
        HubUnreachable: It is on the Hub, which cannot be reached.

    Example:
        >>> collection = load_collection("path/to/scifact:test")  # doctest: +SKIP
        >>> len(collection.queries)  # doctest: +SKIP
        300
    """
    if Path(name).is_dir():
        return _local(Path(name), None)
    base, _, split = name.rpartition(":")
    base, split = (base, split) if base else (name, "")
    if Path(base).is_dir():
        return _local(Path(base), split)
    family, _, member = base.partition("/")
    if base in BEIR_SETS:
        return _beir_of_hub(base, split or ("validation" if base == "msmarco" else "test"))
    if family == "nanobeir" and member in NANO_SETS:
        return _nano(member)
    if family == "bright" and member in BRIGHT_SETS:
        return _bright(member)
    # A file that is not there has an ending; a repository has an owner.
    if member and family not in ("nanobeir", "bright") and not Path(base).suffix and hub.is_repo_id(base):
        return _hub(base, base, "default", split or "test")
    raise InvalidInput(
        f"there is no folder or collection {name!r}. Give a BEIR or LoTTE folder, one of {', '.join(BEIR_SETS)}, "
        f"nanobeir/ and one of {', '.join(NANO_SETS)}, bright/ and one of {', '.join(BRIGHT_SETS)}, or the id of a Hub "
        "dataset in MTEB's layout."
    )


def _local(folder: Path, split: str | None) -> Collection:
    if (folder / "collection.tsv").is_file():
        return _lotte(folder, split or "search")
    if not data.is_beir_folder(folder):
        raise InvalidInput(
            f"{folder} is no collection: expected corpus.jsonl, queries.jsonl and qrels/, or LoTTE's collection.tsv."
        )
    found = sorted({path.name.partition(".")[0] for path in (folder / "qrels").glob("*.tsv*")})
    chosen = split or next((one for one in SPLITS if one in found), found[0] if len(found) == 1 else None)
    if chosen not in found:
        asked = f"has no split {split!r}" if split else "needs the name of a split"
        raise InvalidInput(f"{folder} {asked}; there are: {', '.join(found) or 'none'}.")
    name = folder.resolve().name
    return _judged(
        f"{name}:{chosen}",
        functools.partial(data.read_corpus, folder),
        data.read_queries(folder),
        data.read_qrels(folder, chosen),
        self_matching=name in SELF_MATCHING,
    )


def _lotte(folder: Path, kind: str) -> Collection:
    answers, questions = folder / f"qas.{kind}.jsonl", folder / f"questions.{kind}.tsv"
    if kind not in ("search", "forum") or not answers.is_file():
        raise InvalidInput(f"{folder} is LoTTE's; its splits are search and forum, got {kind!r}.")
    queries, qrels = {}, {}
    for row, place in data.read_rows(answers):
        if not {"qid", "answer_pids"} <= row.keys():
            raise InvalidData(f"{place}: expected qid and answer_pids, got {', '.join(row)}.")
        query = str(row["qid"])
        qrels[query] = {str(one): 1 for one in row["answer_pids"]}
        if "query" in row:
            queries[query] = str(row["query"])
    queries |= dict(_pairs(questions)) if questions.is_file() else {}
    documents = functools.partial(_lotte_documents, folder / "collection.tsv")
    # Several folders of LoTTE's are called "test".
    name = "-".join(folder.resolve().parts[-2:])
    return _judged(f"{name}:{kind}", documents, queries, qrels)


def _lotte_documents(path: Path) -> Iterator[dict[str, str]]:
    for document, text in _pairs(path):
        yield {"id": document, "text": text}


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Lines of an id, a tab and a text; no quoting, no header."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            name, tab, text = line.rstrip("\n").partition("\t")
            if not tab:
                raise InvalidData(f"{path.name}, line {number}: expected an id, a tab and a text.")
            yield name, text


def _beir_of_hub(name: str, split: str) -> Collection:
    qrels = _read_qrels(f"BeIR/{name}-qrels", None, split)
    return _of_hub(f"{name}:{split}", f"BeIR/{name}", ("corpus", "corpus"), ("queries", "queries"), qrels, name)


def _hub(name: str, repo_id: str, config: str, split: str) -> Collection:
    qrels = _read_qrels(repo_id, config, split)
    member = name.rpartition("/")[2]
    return _of_hub(f"{name}:{split}", repo_id, ("corpus", "corpus"), ("queries", "queries"), qrels, member)


def _nano(name: str) -> Collection:
    repo_id, split = "sentence-transformers/NanoBEIR-en", f"Nano{NANO_SETS[name]}"
    rows = data.load_hub_dataset(repo_id, config="qrels", split=split, revision=None)
    qrels: dict[str, dict[str, int]] = {}
    for row in rows:
        relevant = row["corpus-id"] if isinstance(row["corpus-id"], list) else [row["corpus-id"]]
        qrels.setdefault(str(row["query-id"]), {}).update({str(one): 1 for one in relevant})
    return _of_hub(f"nanobeir/{name}", repo_id, ("corpus", split), ("queries", split), qrels, name)


def _bright(name: str) -> Collection:
    repo_id = "xlangai/BRIGHT"
    queries, qrels, excluded = {}, {}, {}
    for row in data.load_hub_dataset(repo_id, config="examples", split=name, revision=None):
        query = str(row["id"])
        queries[query] = str(row["query"])
        qrels[query] = {str(one): 1 for one in row["gold_ids"]}
        # "N/A" stands for none.
        excluded[query] = frozenset(str(one) for one in row["excluded_ids"]) - {"N/A"}
    documents = functools.partial(data.read_corpus, repo_id, config="documents", split=name)
    return Collection(f"bright/{name}", documents, queries, qrels, {q: ids for q, ids in excluded.items() if ids})


def _of_hub(
    name: str, repo_id: str, corpus: tuple[str, str], queries: tuple[str, str], qrels: Qrels, member: str
) -> Collection:
    config, split = queries
    texts = {
        str(row["_id"]): str(row["text"])
        for row in data.load_hub_dataset(repo_id, config=config, split=split, revision=None)
    }
    documents = functools.partial(data.read_corpus, repo_id, config=corpus[0], split=corpus[1])
    return _judged(name, documents, texts, qrels, self_matching=member in SELF_MATCHING)


def _read_qrels(repo_id: str, config: str | None, split: str) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for row in data.load_hub_dataset(repo_id, config=config, split=split, revision=None):
        qrels.setdefault(str(row["query-id"]), {})[str(row["corpus-id"])] = int(row["score"])
    return qrels


def _judged(
    name: str, documents: Documents, queries: Mapping[str, str], qrels: Qrels, *, self_matching: bool = False
) -> Collection:
    """A collection of the queries that have both a text and judgements.

    Raises:
        InvalidData: A judged query has no text.
    """
    if missing := [query for query in qrels if query not in queries]:
        raise InvalidData(f"{name}: {len(missing)} judged queries have no text, {missing[0]!r} is one.")
    excluded = {query: frozenset([query]) for query in qrels} if self_matching else {}
    return Collection(name, documents, {query: queries[query] for query in qrels}, qrels, excluded)
