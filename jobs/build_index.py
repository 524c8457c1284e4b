# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "accelerate>=1.3",
#   "datasets>=4.0",
#   "filelock>=3.16",
#   "huggingface-hub>=1.31,<3",
#   "numpy>=2.0",
#   "platformdirs>=4.3",
#   "pyarrow>=18",
#   "pydantic>=2.10",
#   "pyyaml>=6",
#   "rich>=13.9",
#   "safetensors>=0.5",
#   "sentence-transformers>=6.2,<7",
#   "threadpoolctl>=3.5",
#   "torch>=2.6",
#   "transformers>=5.19,<6",
#   "typer>=0.15",
# ]
#
# [tool.hf-jobs]
# flavor = "t4-small"
# timeout = "1h"
# secrets = ["HF_TOKEN"]
# # Bars would be lines of hundreds of kilobytes in a log.
# env = { HF_DATASETS_DISABLE_PROGRESS_BARS = "1", HF_HUB_DISABLE_PROGRESS_BARS = "1", TQDM_DISABLE = "1" }
# ///
"""Index a corpus and push the index.

    uv run --with . jobs/build_index.py --corpus me/my-corpus --model me/my-model --push-to me/my-index

Started again, an index that is whole is pushed, not built again; half of one is begun anew.
"""

import dataclasses
from argparse import ArgumentTypeError
from pathlib import Path

from colbert_kit import runners


def arguments() -> runners.JobArguments:
    """What the script takes."""
    parser = runners.JobArguments(__doc__)
    parser.add_source("--corpus", required=True, help="a file of rows, a folder of texts, a BEIR folder, a Hub dataset")
    parser.add_argument("--model", required=True, type=published, help="a Hub repository")
    parser.add_argument("--split", default="train", help="of a Hub dataset")
    parser.add_argument("--id-column", help="the usual names if left out")
    parser.add_argument("--text-column", help="the usual names if left out")
    parser.add_argument("--passage-words", type=int, help="cut documents into passages of so many words")
    parser.add_argument("--nbits", type=int, default=4, choices=(1, 2, 4, 8), help="of a residual a dimension")
    parser.add_argument("--pool-factor", type=int, default=1, help="keep about one token for so many similar ones")
    parser.add_target("dataset")
    return parser


def published(model: str) -> str:
    """A model by a name that others know too: an index says which it wants, and is of no use without."""
    if Path(model).exists():
        raise ArgumentTypeError(
            f"who gets the index must get its model too, and {model} is on this machine. Push it first, "
            f"colbert-kit push {model} me/my-model, then name the repository"
        )
    return model


def main() -> None:
    """Build, unless that is done, and push."""
    with runners.reporting() as report:
        options = arguments().parse_args()
        runners.open_target(options.push_to, "dataset", public=options.public)
        folder = runners.claim(options.work, vars(options)) / "index"
        from colbert_kit import Searcher, data, models

        model = models.ColBERT(options.model)
        if (folder / "manifest.json").exists():
            searcher = Searcher.open(folder, model, verify=True)
        else:
            documents = data.read_corpus(
                options.corpus, split=options.split, id_column=options.id_column, text_column=options.text_column
            )
            if (words := options.passage_words) is not None:
                documents = data.split_passages(documents, passage_words=words, overlap_words=words // 4)
            searcher = Searcher.build(
                folder,
                model,
                documents,
                nbits=options.nbits,
                pool_factor=options.pool_factor,
                on_progress=report.progress,
            )
        pushed = searcher.push_to_hub(
            options.push_to, private=not options.public, corpus=runners.repository_of(options.corpus)
        )
        report.result(**dataclasses.asdict(pushed), documents=len(searcher), bytes=searcher.num_bytes)


if __name__ == "__main__":
    main()
