"""Readers: corpora from files, folders and the Hub; BEIR folders; TREC runs and qrels; passages of long documents."""

from colbert_kit.data.beir import is_beir_folder, read_qrels, read_queries
from colbert_kit.data.corpus import read_corpus
from colbert_kit.data.demo import DEMO_CORPUS_SIZE, read_demo_corpus
from colbert_kit.data.hub_dataset import load_hub_dataset
from colbert_kit.data.passages import split_passages
from colbert_kit.data.rows import ROW_SUFFIXES, read_rows, without_gz
from colbert_kit.data.trec import read_run, write_qrels, write_run

__all__ = [
    "DEMO_CORPUS_SIZE",
    "ROW_SUFFIXES",
    "is_beir_folder",
    "load_hub_dataset",
    "read_corpus",
    "read_demo_corpus",
    "read_qrels",
    "read_queries",
    "read_rows",
    "read_run",
    "split_passages",
    "without_gz",
    "write_qrels",
    "write_run",
]
