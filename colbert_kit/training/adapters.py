"""Low-rank adapters: trained in place of the encoder's weights, merged into whatever is saved."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder, MultiVectorEncoderTrainer
from torch import Tensor, nn

from colbert_kit.errors import InvalidConfig, MissingExtra
from colbert_kit.training.settings import LoRA
from colbert_kit.training.sources import is_lazy

__all__ = ["TRAINED", "AdapterTrainer", "ColBERTTrainer", "add_adapters", "merge_adapters"]

TRAINED = "trained.safetensors"
"""In a checkpoint, beside the merged model: the weights that are being trained, to go on from."""


def add_adapters(model: MultiVectorEncoder, settings: LoRA) -> None:
    """Freeze the encoder and put an adapter beside each of its linear layers; a projection stays trainable.

    Args:
        model: Changed in place.
        settings: Rank, scale, layers.

    Raises:
        MissingExtra: peft is not installed.
        InvalidConfig: No layer has such a name.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtra("peft (for lora)", "train") from error
    encoder: Any = model[0].model
    names = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    targets = list(settings.targets or [name for name in names if "pooler" not in name])
    if missing := [one for one in targets if not any(name == one or name.endswith(f".{one}") for name in names)]:
        known = sorted({name.rpartition(".")[2] for name in names})
        raise InvalidConfig(f"lora.targets: no linear layer is called {', '.join(missing)}; there are {known}.")
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=targets
    )
    inject_adapter_in_model(config, encoder)


def merge_adapters(model: MultiVectorEncoder) -> MultiVectorEncoder:
    """A copy of the model with the adapters added to the weights; the model itself is not touched."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    merged: MultiVectorEncoder = copy.deepcopy(model)
    for name, module in list(merged.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            merged.set_submodule(name, module.get_base_layer())
    for parameter in merged.parameters():
        parameter.requires_grad_(True)
    return merged


class ColBERTTrainer(MultiVectorEncoderTrainer):
    """Saves in one process only: transformers 5.23 asks all of them to, and sentence-transformers 6.2 obeys."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ANN401 - transformers'
        if self.args.should_save:
            super()._save(output_dir, state_dict)
        self.accelerator.wait_for_everyone()

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """sentence-transformers' card measures the texts of a column, and fails on one that is not there."""
        every = self.train_dataset
        self.train_dataset = _without_gaps(every)
        try:
            super().add_model_card_callback(default_args_dict)
        finally:
            self.train_dataset = every

    def _load_best_model(self) -> None:
        """sentence-transformers' own logs what goes wrong here, and goes on with the last weights."""
        best, step = self.state.best_model_checkpoint, self.state.best_global_step
        if best is None or step is None:
            raise RuntimeError("no checkpoint is the best one")
        self.model.model_card_data.set_best_model_step(step)
        self._load_from_checkpoint(best)


class AdapterTrainer(ColBERTTrainer):
    """Saves whole, merged models, and beside them what is trained.

    A checkpoint of adapters alone would need the start model at the path it once had, and lose the rows that new
    marker tokens add to the embedding table.
    """

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ANN401 - transformers'
        model = self.model
        self.model = merge_adapters(model)
        try:
            super()._save(output_dir, state_dict)
        finally:
            self.model = model
        if self.args.should_save:
            save_file(_trained(model), Path(str(output_dir or self.args.output_dir)) / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ANN401 - theirs
        weights = load_file(Path(resume_from_checkpoint) / TRAINED)
        known = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in weights.items():
                known[name].copy_(value)


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def _without_gaps(rows: Any) -> Any:  # noqa: ANN401 - a Dataset, a DatasetDict or None
    """The same rows, a text that is missing read as an empty one, which the card leaves out."""
    if isinstance(rows, DatasetDict):
        return DatasetDict({name: _without_gaps(one) for name, one in rows.items()})
    return rows if not isinstance(rows, Dataset) or is_lazy(rows) else rows.with_transform(_filled)


def _filled(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: ["" if value is None else value for value in values] for name, values in batch.items()}
