"""Embeds texts: tokens, batches, network, mean over tokens, unit length."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed, TimedOut
from hearth_text.backends.program import TextProgram
from hearth_text.batching import Batch, plan_batches
from hearth_text.models import EmbeddingModel
from hearth_text.tokens import TextTokenizer, Tokens

_WARM_LENGTHS: Final = (8, 16, 24, 32)
"""Lengths of one text to prepare: a question is seldom longer. Each shape takes 5 to 13 ms once."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Embedded texts.

    Attributes:
        vectors: float32 (texts, dimensions).
        tokens: The number of tokens of each text, special tokens included.
        truncated: Indices of the texts that were truncated.
    """

    vectors: NDArray[np.float32]
    tokens: tuple[int, ...]
    truncated: tuple[int, ...]


class SentenceEmbedder:
    """A loaded embedding model; thread-safe.

    Args:
        model: The description of the model.
        tokenizer: Returns at most as many tokens as the model reads.
        program: Takes `input_ids` and `attention_mask`, int32 (rows, tokens); answers with the mean
            over the tokens of the mask, float32 (rows, dimensions).
    """

    def __init__(
        self, model: EmbeddingModel, tokenizer: TextTokenizer, program: TextProgram
    ) -> None:
        self.model = model
        self.detail = program.detail
        self._tokenizer = tokenizer
        self._program = program
        self._threads = ThreadPoolExecutor(program.streams, thread_name_prefix="embed")

    def warm_up(self) -> None:
        """Prepare the network for the shapes of one short text, and check its answers.

        Raises:
            ModelFailed: The network fails, or answers with another shape or numbers that are not
                finite.
        """
        for length in _WARM_LENGTHS:
            ids = np.zeros((1, length), np.int32)
            answer = self._infer(ids, np.ones_like(ids))
            if answer.shape != (1, self.model.dimensions) or not np.isfinite(answer).all():
                raise ModelFailed(
                    f"model {self.model.name} answers with {answer.shape} of "
                    f"{answer.dtype.name}; (1, {self.model.dimensions}) finite numbers are expected"
                )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors of unit length, float32 (texts, dimensions).

        Raises:
            InvalidInput: A text is not valid Unicode.
            ModelFailed: The network failed.
        """
        return self.encode(texts).vectors

    def encode(
        self,
        texts: Sequence[str],
        *,
        normalize: bool = True,
        time_left_s: Callable[[], float] = lambda: math.inf,
    ) -> Embeddings:
        """Embed texts, and report the tokens of each.

        Args:
            normalize: Whether vectors have unit length; otherwise they are the mean of the tokens.
            time_left_s: Called before each batch; the work ends at 0.

        Raises:
            InvalidInput: A text is not valid Unicode.
            ModelFailed: The network failed.
            TimedOut: The time limit was exceeded.
        """
        tokens = self._tokenizer.encode(texts)
        vectors = self._vectors(tokens, time_left_s)
        if normalize:
            length = np.linalg.norm(vectors, axis=1, keepdims=True)
            # As in PyTorch's normalize, a vector of zeros stays one.
            vectors /= np.maximum(length, 1e-12, out=length)
        return Embeddings(
            vectors,
            tuple(len(text.ids) for text in tokens),
            tuple(index for index, text in enumerate(tokens) if text.truncated),
        )

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenize texts, without the network.

        Raises:
            InvalidInput: A text is not valid Unicode.
        """
        return self._tokenizer.encode(texts)

    def knows(self, word: str) -> bool:
        """Whether a lower-case word is in the model's vocabulary."""
        return self._tokenizer.knows(word)

    def _vectors(
        self, tokens: Sequence[Tokens], time_left_s: Callable[[], float]
    ) -> NDArray[np.float32]:
        vectors = np.empty((len(tokens), self.model.dimensions), np.float32)
        lengths = [len(text.ids) for text in tokens]
        batches = plan_batches(lengths, self._program.streams, self.model.max_tokens)

        def work(batch: Batch) -> None:
            if time_left_s() <= 0:
                raise TimedOut(
                    f"{len(tokens)} texts of {sum(lengths)} tokens took too long; send fewer"
                )
            ids = np.zeros((batch.rows, batch.length), np.int32)
            mask = np.zeros_like(ids)
            for row, text in enumerate(batch.texts):
                ids[row, : lengths[text]] = tokens[text].ids
                mask[row, : lengths[text]] = 1
            vectors[list(batch.texts)] = self._infer(ids, mask)[: len(batch.texts)]

        if len(batches) <= 1:
            for batch in batches:
                work(batch)
            return vectors
        _all(self._threads, work, batches)
        return vectors

    def _infer(self, ids: NDArray[np.int32], mask: NDArray[np.int32]) -> NDArray[np.float32]:
        return self._program.run({"input_ids": ids, "attention_mask": mask})[0]


def _all(
    threads: ThreadPoolExecutor, work: Callable[[Batch], None], batches: Sequence[Batch]
) -> None:
    """Run all batches; after a failure none begins and none is left running."""
    futures: list[Future[None]] = [threads.submit(work, batch) for batch in batches]
    failures: list[BaseException] = []
    for future in futures:
        if failures and future.cancel():
            continue
        if error := future.exception():
            failures.append(error)
    if failures:
        raise failures[0]
