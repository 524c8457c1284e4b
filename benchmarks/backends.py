"""What ONNX Runtime and OpenVINO make of the demo encoder, beside torch: documents/s, difference, nDCG@10.

    pip install onnx onnxruntime openvino
    python -m benchmarks.backends [NUMBER]
    python -m benchmarks.backends --ndcg BEIR_FOLDER [BACKEND]...

``models.ColBERT(..., backend="onnx")`` asks sentence-transformers, which asks optimum, which does not go with
transformers 5 (``docs/backends.md``). So the encoder is exported here by torch, and a stand-in runs it in its place.
All run in turn on the same texts, in float32 where the name does not say int8, with as many threads as torch has.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import onnxruntime
import openvino
import torch
from ir_measures import nDCG
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from sentence_transformers import MultiVectorEncoder
from transformers.modeling_outputs import BaseModelOutput

from benchmarks.machine import demo_texts, describe
from colbert_kit import data, models, scores

ROUNDS = 3
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
BACKENDS = ("torch", "onnx", "onnx-int8", "openvino")
DEPTH = 100

Run = Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]


class StandIn(torch.nn.Module):
    """What lies where sentence-transformers would put optimum's model."""

    def __init__(self, run: Run, config: Any) -> None:  # noqa: ANN401 - transformers' own
        super().__init__()
        self.run, self.config = run, config

    def forward(self, **features: torch.Tensor) -> BaseModelOutput:  # noqa: D102
        hidden = self.run({name: features[name].numpy() for name in INPUTS})
        return BaseModelOutput(last_hidden_state=torch.from_numpy(hidden))


class HiddenStates(torch.nn.Module):
    """The encoder with tensors in and out, as the exporter wants it."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:  # noqa: D102
        hidden: torch.Tensor = self.encoder(**dict(zip(INPUTS, tensors, strict=True))).last_hidden_state
        return hidden


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("number", nargs="?", type=int, default=512)
    parser.add_argument("--ndcg", nargs="+", metavar=("BEIR_FOLDER", "BACKEND"))
    arguments = parser.parse_args()
    print(describe(), end="")
    print("".join(f", {name} {version(name)}" for name in ("onnxruntime", "openvino")))
    folder, *names = arguments.ndcg or [None]
    with tempfile.TemporaryDirectory() as temporary:
        encoders = {name: _encoder(name, Path(temporary)) for name in names or BACKENDS}
        if folder is None:
            _speed(encoders, demo_texts(arguments.number))
        else:
            _quality(encoders, folder)


def _speed(encoders: dict[str, MultiVectorEncoder], texts: list[str]) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    embeddings: dict[str, NDArray[np.float32]] = {}
    for _ in range(ROUNDS):
        for name, model in encoders.items():
            start = time.perf_counter()
            batches = list(models.encode_documents(model, texts, dtype="float32"))
            seconds[name].append(time.perf_counter() - start)
            embeddings[name] = np.concatenate([batch.embeddings for batch in batches])
    print(f"{len(texts)} abstracts, {len(embeddings['torch']):,} tokens, best of {ROUNDS} rounds in turn")
    for name, times in seconds.items():
        cosines = (embeddings[name] * embeddings["torch"]).sum(axis=1)
        difference = np.abs(embeddings[name] - embeddings["torch"]).max()
        print(
            f"{name:10} {len(texts) / min(times):6.1f} documents/s  {min(seconds['torch']) / min(times):.2f}x"
            f"   difference at most {difference:.1e}, cosine with torch's: mean {cosines.mean():.4f}"
        )


def _quality(encoders: dict[str, MultiVectorEncoder], folder: str) -> None:
    qrels = data.read_qrels(folder, "test")
    queries = {query_id: text for query_id, text in data.read_queries(folder).items() if query_id in qrels}
    documents = {document["id"]: document["text"] for document in data.read_corpus(folder)}
    ids = np.asarray(list(documents))
    for name, model in encoders.items():
        [packed] = models.encode_queries(model, queries.values(), dtype="float32")
        windows = models.encode_documents(model, documents.values(), dtype="float32")
        similarities = np.concatenate([scores.maxsim(packed, window) for window in windows], axis=1)
        run = {}
        for query_id, row in zip(queries, similarities, strict=True):
            best = np.argsort(-row, kind="stable")[:DEPTH]
            run[query_id] = {str(ids[column]): float(row[column]) for column in best}
        value = ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]
        print(f"{name:10} nDCG@10 {value:.4f}, {len(documents)} documents, {len(queries)} queries", flush=True)


def _encoder(name: str, folder: Path) -> MultiVectorEncoder:
    model = models.load_demo_encoder("cpu")
    if name != "torch":
        encoder: Any = model[0]
        encoder.model = StandIn(_runner(name, _export(model, folder)), encoder.model.config)
    return model


def _export(model: MultiVectorEncoder, folder: Path) -> Path:
    path = folder / "model.onnx"
    if not path.exists():
        encoder: Any = model[0]
        features = model.preprocess(["one text", "another, and longer, text"], task="document")
        axes = {name: {0: "batch", 1: "tokens"} for name in (*INPUTS, "last_hidden_state")}
        torch.onnx.export(
            HiddenStates(encoder.model),
            tuple(features[name] for name in INPUTS),
            str(path),
            input_names=list(INPUTS),
            output_names=["last_hidden_state"],
            dynamic_axes=axes,
            opset_version=18,
            dynamo=False,
        )
    return path


def _runner(name: str, path: Path) -> Run:
    threads = torch.get_num_threads()
    if name == "openvino":
        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(str(path), "CPU", options)
        return lambda features: compiled(features)[0].copy()
    if name == "onnx-int8":
        # Seven bits of weight, one scale a column: without VNNI, sums of products of eight bits saturate.
        quantised = path.with_stem("int8")
        quantize_dynamic(path, quantised, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
        path = quantised
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    # A thread that spins after its work would take the core from whoever runs next.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    return lambda features: session.run(None, features)[0]


if __name__ == "__main__":
    main()
