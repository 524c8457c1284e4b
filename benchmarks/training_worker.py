"""Training steps in a process of its own: ours, or PyLate's in PyLate's environment. Imports nothing else of ours.

Reads a JSON order a line, ``{"rows": [...], "autocast": false}``, and answers each with seconds, loss and peak memory;
``{"save": FOLDER}`` writes the model as it is then.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from typing import Any

import torch

TEMPERATURE = 0.02


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=("ours", "pylate"))
    parser.add_argument("model")
    parser.add_argument("--loss", default="Contrastive")
    parser.add_argument("--learning-rate", type=float, default=1e-6)
    parser.add_argument("--save", help="PyLate: make the model from this encoder first, and save it there")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    if arguments.save:
        from pylate import models

        models.ColBERT(arguments.save, embedding_size=128, document_length=180, device="cpu").save(arguments.model)
    model, collate, loss = made(arguments.library, arguments.model, arguments.loss)
    attention = model[0].auto_model
    fused = attention.config._attn_implementation
    model.eval()  # without dropout, so that both compute the same
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate)
    start = peak()
    say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        if "save" in order:
            model.save_pretrained(order["save"])
            say({"saved": True})
            continue
        if arguments.library == "ours":  # as ``training.train`` has it
            attention.set_attn_implementation("eager" if order["autocast"] else fused)
        begun = time.perf_counter()
        batch = collate(order["rows"])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=order["autocast"]):
            value = loss([features(batch, name) for name in order["rows"][0]], None)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds = time.perf_counter() - begun
        say({"seconds": seconds, "loss": value.item(), "mib": (peak() - start) / 1024})


def made(library: str, folder: str, name: str) -> Any:  # noqa: ANN401 - two libraries
    if library == "pylate":
        from pylate import losses, models, utils

        model = models.ColBERT(folder, device="cpu")
        return model, utils.ColBERTCollator(model.tokenize), getattr(losses, name)(model, temperature=TEMPERATURE)
    from colbert_kit import losses, models, utils

    model = models.ColBERT(folder, device="cpu")
    options: dict[str, Any] = {} if name == "Contrastive" else {"mini_batch_size": 32, "score_mini_batch_size": 16}
    loss = getattr(losses, name)(model, temperature=TEMPERATURE, **options)
    return model, utils.ColBERTCollator(model), loss


def features(batch: dict[str, Any], name: str) -> dict[str, Any]:
    return {key[len(name) + 1 :]: value for key, value in batch.items() if key.startswith(f"{name}_")}


def peak() -> int:
    """KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
