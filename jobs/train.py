# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "accelerate>=1.3",
#   "datasets>=4.0",
#   "filelock>=3.16",
#   "huggingface-hub>=1.31,<3",
#   "numpy>=2.0",
#   "peft>=0.17",
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
# flavor = "l4x1"
# timeout = "2h"
# secrets = ["HF_TOKEN"]
# # Bars would be lines of hundreds of kilobytes in a log.
# env = { HF_DATASETS_DISABLE_PROGRESS_BARS = "1", HF_HUB_DISABLE_PROGRESS_BARS = "1", TQDM_DISABLE = "1" }
# ///
"""Train a late-interaction model and push it.

    uv run --with . jobs/train.py --config config.yaml --push-to me/my-model

The config is ``training.TrainingConfig``'s, as a file or as JSON; ``output_dir`` is a folder of ``--work`` whatever it
says. Started again, it goes on from the last whole checkpoint; what is finished is pushed again, not trained again.
"""

import dataclasses
import json
from pathlib import Path

from colbert_kit import runners


def arguments() -> runners.JobArguments:
    """What the script takes."""
    parser = runners.JobArguments(__doc__)
    parser.add_moved("--config", moved_config, required=True, help="a YAML or JSON file, or the JSON itself")
    parser.add_target("model")
    return parser


def moved_config(text: str, is_elsewhere: bool) -> str:
    """A config for another process: as JSON, its files and folders named so that they are found there."""
    values = settings(text)

    def moved(source: str | dict) -> str | dict:
        if isinstance(source, str):
            return runners.moved_source(source, is_elsewhere)
        parts = {name: moved(source[name]) for name in ("path", "queries", "documents") if source.get(name)}
        return {**source, **parts}

    values["model"] = moved(values["model"])
    for name in ("train", "teachers"):
        values[name] = [moved(source) for source in values.get(name, ())]
    if values.get("eval"):
        values["eval"] = moved(values["eval"])
    if folder := values.pop("keep_teachers", None):
        # What can be made again is kept on this machine only.
        values |= {} if is_elsewhere else {"keep_teachers": str(Path(folder).resolve())}
    return json.dumps(values)


def settings(text: str) -> dict:
    """What a config says, checked; from a file or from JSON."""
    from colbert_kit import training
    from colbert_kit.errors import InvalidConfig

    if not text.lstrip().startswith("{"):
        config = training.TrainingConfig.from_file(text)
    else:
        try:
            config = training.TrainingConfig(**json.loads(text))
        except json.JSONDecodeError as error:
            raise InvalidConfig(f"--config is neither a file nor JSON: {error}.") from error
    return config.model_dump(mode="json", exclude_defaults=True, exclude={"output_dir"})


def main() -> None:
    """Train, unless that is done, and push."""
    with runners.reporting() as report:
        options = arguments().parse_args()
        values = settings(options.config)
        runners.open_target(options.push_to, "model", public=options.public)
        from colbert_kit import models, training

        config = training.TrainingConfig(**values, output_dir=Path(options.work) / "model")
        if not training.is_finished(config):
            training.train(config, on_progress=report.progress)
        pushed = models.push_to_hub(
            models.ColBERT(config.output_dir, device="cpu"),
            options.push_to,
            private=not options.public,
            base_model=runners.repository_of(config.model),
            datasets=[name for source in config.train if (name := runners.repository_of(source.path))],
        )
        trained = json.loads((Path(config.output_dir) / "training_result.json").read_text(encoding="utf-8"))
        figures = {name: trained[name] for name in ("steps", "best_step", "metric", "start", "best")}
        report.result(**dataclasses.asdict(pushed), **figures)


if __name__ == "__main__":
    main()
