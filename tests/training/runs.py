"""One training run in a process of its own, that tests may kill: python -m tests.training.runs CONFIG."""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

from colbert_kit import training

__all__ = ["ROWS", "weights_of"]

NOUNS = ["song", "rain", "mountain", "city", "river", "bread", "music", "train", "night", "coffee"]
ROWS = [
    {"query": f"the {first} {second}", "positive": f"a {second} by the {first}", "negatives": [f"the old {third}"]}
    for first in NOUNS
    for second in NOUNS
    for third in NOUNS[:1]
    if first != second
]


def weights_of(folder):
    """The hash of the weights in a folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob("**/*.safetensors")):
        if not any(part.startswith("checkpoint-") for part in path.relative_to(folder).parts):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def main():
    config = training.TrainingConfig.from_file(sys.argv[1])
    kill_at = int(sys.argv[2]) if len(sys.argv) > 2 else None

    def on_progress(progress):
        if progress.done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    result = training.train(config, on_progress=on_progress)
    said = {"steps": result.steps, "best_step": result.best_step, "weights": weights_of(result.output_dir)}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
