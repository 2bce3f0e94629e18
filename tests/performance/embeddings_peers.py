"""The peers of tests/performance/embeddings.py, run by the Python of an environment of their own.

    python embeddings_peers.py MODEL_FOLDER WORK_FOLDER

Reads one JSON object a line, `{"peer": …, "texts": [...]}`, and answers each with the seconds that
the peer took and the file with its vectors.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

THREADS = 2
BATCH = 32
torch.set_num_threads(THREADS)
MODEL, WORK = map(Path, sys.argv[1:])
Encode = Callable[[list[str]], Any]


def sentence_transformers(dtype: str) -> Encode:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(MODEL), device="cpu", model_kwargs={"dtype": dtype})
    model.max_seq_length = 256

    def encode(texts: list[str]) -> Any:
        found = model.encode(texts, batch_size=BATCH, convert_to_tensor=True)
        return found.float().numpy()

    return encode


@cache
def onnx_folder() -> Path:
    """The same weights as ONNX, as Hugging Face's exports have them."""
    from transformers import AutoModel

    folder = WORK / "onnx"
    folder.mkdir(exist_ok=True)
    bert = (
        AutoModel.from_pretrained(MODEL, attn_implementation="eager").eval().requires_grad_(False)
    )
    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = tuple(torch.ones((2, 9), dtype=torch.int64) for _ in names)
    axes = {name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]}

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, ids: Any, mask: Any, kinds: Any) -> Any:
            return self.bert(input_ids=ids, attention_mask=mask, token_type_ids=kinds)[0]

    torch.onnx.export(
        Plain(),
        example,
        str(folder / "model.onnx"),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    for name in (
        "tokenizer.json",
        "tokenizer_config.json",
        "config.json",
        "special_tokens_map.json",
    ):
        (folder / name).write_bytes((MODEL / name).read_bytes())
    return folder


def onnx_runtime() -> Encode:
    """A plain loop, as a reader would write it: batches of 32, mean over the mask."""
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(onnx_folder() / "model.onnx"), options)
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def encode(texts: list[str]) -> Any:
        found = []
        for begin in range(0, len(texts), BATCH):
            encoded = tokenizer.encode_batch(texts[begin : begin + BATCH])
            ids = np.array([one.ids for one in encoded])
            mask = np.array([one.attention_mask for one in encoded])
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
            (hidden,) = session.run(None, inputs)
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
            found.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
        return np.concatenate(found).astype(np.float32)

    return encode


def fastembed() -> Encode:
    """Its own model cannot be fetched offline; it is given the same weights as ONNX."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        model="local/minilm",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(url="http://127.0.0.1/none"),
        dim=384,
        model_file="model.onnx",
    )
    model = TextEmbedding("local/minilm", threads=THREADS, specific_model_path=str(onnx_folder()))
    return lambda texts: np.stack(list(model.embed(texts))).astype(np.float32)


PEERS: dict[str, Callable[[], Encode]] = {
    "sentence-transformers float32": lambda: sentence_transformers("float32"),
    "sentence-transformers bfloat16": lambda: sentence_transformers("bfloat16"),
    "ONNX Runtime float32": onnx_runtime,
    "fastembed": fastembed,
}


@cache
def loaded(peer: str) -> Encode:
    encode = PEERS[peer]()
    encode(["warm up"] * BATCH)
    return encode


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            encode = loaded(asked["peer"])
            began = time.perf_counter()
            vectors = encode(asked["texts"])
            seconds = time.perf_counter() - began
            file = WORK / "vectors.npy"
            np.save(file, vectors)
            answer = {"seconds": seconds, "vectors": str(file)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        sys.__stdout__.write(json.dumps(answer) + "\n")
        sys.__stdout__.flush()


if __name__ == "__main__":
    # What the libraries print must not get between the answers.
    sys.stdout = sys.stderr
    main()
