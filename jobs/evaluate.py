# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "accelerate>=1.3",
#   "bm25s>=0.3.9",
#   "datasets>=4.0",
#   "filelock>=3.16",
#   "huggingface-hub>=1.31,<3",
#   "ir-measures>=0.4.3",
#   "matplotlib>=3.9",
#   "mteb>=2.26,<3",
#   "numpy>=2.0",
#   "platformdirs>=4.3",
#   "pyarrow>=18",
#   "pydantic>=2.10",
#   "PyStemmer>=2.2",
#   "pyyaml>=6",
#   "rich>=13.9",
#   "safetensors>=0.5",
#   "scipy>=1.13",
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
"""Measure a model or an index on test collections and push the report.

    uv run --with . jobs/evaluate.py --model me/my-model --collections nanobeir/scifact scifact --push-to me/my-report

Started again, a report that is written is pushed, not measured again.
"""

import dataclasses

from colbert_kit import runners


def arguments() -> runners.JobArguments:
    """What the script takes."""
    parser = runners.JobArguments(__doc__)
    parser.add_source("--model", help="a folder or a Hub repository; or give --index")
    parser.add_source("--index", help="a folder or a Hub dataset repository; or give --model")
    parser.add_source(
        "--collections", required=True, nargs="+", metavar="NAME", help="scifact, nanobeir/nq, FOLDER:dev"
    )
    parser.add_argument("--measures", nargs="+", help="nDCG@10 R@100; the kit's own if left out")
    parser.add_argument("--nbits", type=int, default=4, choices=(1, 2, 4, 8), help="of a model's index")
    parser.add_argument("--no-exact", action="store_true", help="leave out exact MaxSim")
    parser.add_target("dataset")
    return parser


def main() -> None:
    """Measure, unless that is done, and push."""
    with runners.reporting() as report:
        options = arguments().parse_args()
        if (options.model is None) == (options.index is None):
            arguments().error("give either --model or --index")
        runners.open_target(options.push_to, "dataset", public=options.public)
        folder = runners.claim(options.work, vars(options)) / "report"
        from colbert_kit import Searcher, evaluation, models

        if (folder / "report.md").exists():
            found = evaluation.Report.read(folder)
        else:
            found = evaluation.evaluate_on(
                models.ColBERT(options.model) if options.model else Searcher.from_pretrained(options.index),
                [evaluation.load_collection(name) for name in options.collections],
                measures=options.measures or evaluation.MEASURES,
                nbits=options.nbits,
                exact=not options.no_exact,
                on_progress=report.progress,
            )
            evaluation.write_report(found, folder, override=True)
        means = {
            one.name: {name: one.system("index").mean(name) for name in found.measures} for one in found.collections
        }
        pushed = evaluation.push_report(folder, options.push_to, private=not options.public)
        report.result(**dataclasses.asdict(pushed), means=means)


if __name__ == "__main__":
    main()
