"""A cross-encoder: scores how well texts answer a query, read as pairs (query, text).

Nogueira and Cho, 2019 (https://arxiv.org/abs/1901.04085): both texts in one sequence, so that every
word of one attends to every word of the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed, TimedOut
from hearth_text.backends.program import TextProgram
from hearth_text.batching import Batch, plan_batches
from hearth_text.tokens import TextTokenizer, Tokens

MAX_TOKENS: Final = 512
"""Most tokens of a pair, special tokens included; the longer text of the two is truncated."""
_INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})


@dataclass(frozen=True, slots=True)
class Relevance:
    """The scores of texts for a query.

    Attributes:
        logits: float32 (texts,); the sigmoid of one is its probability to be relevant.
        truncated: Indices of the texts whose pair was truncated.
    """

    logits: NDArray[np.float32]
    truncated: tuple[int, ...]


class CrossEncoder:
    """A sequence classifier with one label (relevance) or two (irrelevant, relevant).

    Thread-safe.

    Args:
        name: The name of the model.
        tokenizer: Returns at most `MAX_TOKENS` of a pair.
        program: Takes `input_ids`, `attention_mask` and, of BERT's kind, `token_type_ids`, integers
            (rows, tokens); answers with logits (rows, labels).

    Raises:
        ModelFailed: The network has other inputs.
    """

    def __init__(self, name: str, tokenizer: TextTokenizer, program: TextProgram) -> None:
        if not {"input_ids", "attention_mask"} <= set(program.inputs) <= _INPUTS:
            raise ModelFailed(
                f"model {name} wants the inputs {', '.join(program.inputs)}; a cross-encoder takes "
                f"input_ids, attention_mask and perhaps token_type_ids"
            )
        self.name = name
        self.detail = program.detail
        self._tokenizer = tokenizer
        self._program = program
        self._threads = ThreadPoolExecutor(program.streams, thread_name_prefix="rerank")

    def score(
        self,
        query: str,
        texts: Sequence[str],
        *,
        time_left_s: Callable[[], float] = lambda: math.inf,
    ) -> Relevance:
        """Score how well each text answers the query.

        Args:
            time_left_s: Called before each batch; the work ends at 0.

        Raises:
            InvalidInput: A text is not valid Unicode.
            ModelFailed: The network failed, or is not a reranker.
            TimedOut: The time limit was exceeded.
        """
        pairs = self._tokenizer.encode([(query, text) for text in texts])
        logits = np.empty(len(pairs), np.float32)
        lengths = [len(pair.ids) for pair in pairs]

        def work(batch: Batch) -> None:
            if time_left_s() <= 0:
                raise TimedOut(
                    f"{len(pairs)} candidates of {sum(lengths)} tokens took too long; send fewer"
                )
            logits[list(batch.texts)] = self._infer(batch, pairs)[: len(batch.texts)]

        # After a failure no further batch begins.
        list(self._threads.map(work, plan_batches(lengths, self._program.streams, MAX_TOKENS)))
        return Relevance(logits, tuple(n for n, pair in enumerate(pairs) if pair.truncated))

    def _infer(self, batch: Batch, pairs: Sequence[Tokens]) -> NDArray[np.float32]:
        ids = np.zeros((batch.rows, batch.length), np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        # In some networks a row of padding alone would divide zero by zero.
        mask[:, 0] = 1
        for row, place in enumerate(batch.texts):
            length = len(pairs[place].ids)
            ids[row, :length] = pairs[place].ids
            types[row, :length] = pairs[place].type_ids
            mask[row, :length] = 1
        answer = self._program.run(
            {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        )[0]
        if answer.ndim != 2 or answer.shape[0] != batch.rows or answer.shape[1] not in (1, 2):
            raise ModelFailed(
                f"model {self.name} is no reranker: it answers with {answer.shape}, not with "
                f"({batch.rows}, 1) or ({batch.rows}, 2)"
            )
        # With two labels, the sigmoid of the difference is the softmax of the second.
        logits = answer[:, -1] - (answer[:, 0] if answer.shape[1] == 2 else 0)
        if not np.isfinite(logits).all():
            raise ModelFailed(f"model {self.name} answers with numbers that are none")
        return logits
