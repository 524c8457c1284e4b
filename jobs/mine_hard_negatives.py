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
"""Mine hard negatives for pairs of queries and positives, and push the rows.

    uv run --with . jobs/mine_hard_negatives.py --pairs me/my-pairs --corpus me/my-corpus --model me/my-model \
        --push-to me/my-rows

``training.TrainingConfig(train="me/my-rows", ...)`` learns from them. Started again, rows that are mined are pushed,
not mined again.
"""

import dataclasses

from colbert_kit import runners


def arguments() -> runners.JobArguments:
    """What the script takes."""
    parser = runners.JobArguments(__doc__)
    parser.add_source("--pairs", required=True, help="rows with a query and its positive: a file or a Hub dataset")
    parser.add_source("--corpus", required=True, help="a file of rows, a folder of texts, a BEIR folder, a Hub dataset")
    parser.add_source("--model", required=True, help="a folder or a Hub repository")
    parser.add_argument("--num-negatives", type=int, default=4, help="of a query at most")
    parser.add_argument("--first-rank", type=int, default=1, help="better ranks are skipped")
    parser.add_argument("--last-rank", type=int, default=50, help="how deep to look")
    parser.add_argument("--max-relative-score", type=float, default=0.95, help="of the positive's own score")
    parser.add_target("dataset")
    return parser


def main() -> None:
    """Mine, unless that is done, and push."""
    with runners.reporting() as report:
        options = arguments().parse_args()
        runners.open_target(options.push_to, "dataset", public=options.public)
        path = runners.claim(options.work, vars(options)) / "rows.parquet"
        from colbert_kit import data, models, training

        if not path.exists():
            rows = training.mine_hard_negatives(
                models.ColBERT(options.model),
                training.load_rows(training.DataSource(path=options.pairs)),
                data.read_corpus(options.corpus),
                num_negatives=options.num_negatives,
                first_rank=options.first_rank,
                last_rank=options.last_rank,
                max_relative_score=options.max_relative_score,
                on_progress=report.progress,
            )
            # Under its own name only when it is whole.
            rows.to_parquet(str(path.with_suffix(".new")))
            path.with_suffix(".new").replace(path)
        rows = training.load_rows(training.DataSource(path=str(path)))
        pushed = training.push_rows(rows, options.push_to, private=not options.public)
        report.result(**dataclasses.asdict(pushed), rows=len(rows))


if __name__ == "__main__":
    main()
