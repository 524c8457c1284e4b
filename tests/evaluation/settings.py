"""A corpus of 300 texts and 40 queries of the tiny model's words, and judgements, for tests that compare settings."""

import random

from tests.checkpoints import WORDS

WORD_LIST = [word for word in WORDS.split() if len(word) > 1 and not word.startswith("##")]


def some_texts(number, *, seed=3, words=(4, 12)):
    generator = random.Random(seed)
    return [" ".join(generator.sample(WORD_LIST, generator.randint(*words))) for _ in range(number)]


DOCUMENTS = [{"id": f"d{number:03d}", "text": text} for number, text in enumerate(some_texts(300))]
QUERIES = {f"q{number:02d}": text for number, text in enumerate(some_texts(40, seed=4, words=(2, 5)))}


def some_qrels(queries=QUERIES, documents=DOCUMENTS):
    """The documents that share most words with a query, graded by how many."""
    qrels = {}
    for query_id, query in queries.items():
        wanted = set(query.split())
        grades = {one["id"]: len(wanted & set(one["text"].split())) for one in documents}
        best = sorted(grades, key=lambda one: (-grades[one], one))[:5]
        qrels[query_id] = {one: grades[one] for one in best if grades[one]}
    return {query_id: grades for query_id, grades in qrels.items() if grades}
