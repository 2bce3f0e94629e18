"""Scores how probable each of some answers is to a sequence-to-sequence model.

Nothing is generated: the model is asked for the probability of each answer that is allowed ("rank
classification", Sanh et al., 2021, https://arxiv.org/abs/2110.08207). So an answer is always one of
them, its probability is at hand, and one run of the decoder is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed
from hearth_text.backends.program import TextProgram
from hearth_text.tokens import TextTokenizer

MAX_TOKENS: Final = 512
"""Most tokens of a prompt, with which T5 was trained."""
_DECODER_INPUTS: Final = frozenset(
    {"input_ids", "encoder_hidden_states", "encoder_attention_mask", "beam_idx"}
)


class Seq2SeqScorer:
    """An encoder and a decoder in the style of T5, as optimum exports them.

    The decoder is the one without a cache of past tokens, or the one with a state, which begins
    empty at each run. Safe in several threads at once.

    Args:
        name: The name of the model.
        tokenizer: Ends each text as the model was trained to.
        encoder: `input_ids`, `attention_mask` (rows, tokens) → float32 (rows, tokens, dimensions).
        decoder: `input_ids` (rows, tokens), `encoder_hidden_states`, `encoder_attention_mask` and,
            with a state, `beam_idx` → logits (rows, tokens, vocabulary).
        start: Token with which every answer begins (`decoder_start_token_id`).

    Raises:
        ModelFailed: The decoder wants other inputs.
    """

    def __init__(
        self,
        name: str,
        tokenizer: TextTokenizer,
        encoder: TextProgram,
        decoder: TextProgram,
        start: int,
    ) -> None:
        needed = {"input_ids", "encoder_hidden_states"}
        if not needed <= set(decoder.inputs) <= _DECODER_INPUTS:
            raise ModelFailed(
                f"model {name}: its decoder wants the inputs {', '.join(decoder.inputs)}; export "
                f"the one that takes no past key values"
            )
        self.name = name
        self.detail = decoder.detail
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._decoder = decoder
        self._start = start

    def log_probabilities(self, prompt: str, answers: Sequence[str]) -> NDArray[np.float32]:
        """Return the natural logarithm of each complete answer's probability; float32 (answers,).

        Raises:
            InvalidInput: The prompt is no Unicode.
            ModelFailed: The network failed, or answers nonsense.
        """
        (prompted,) = self._tokenizer.encode([prompt])
        said = [tokens.ids for tokens in self._tokenizer.encode(answers)]
        rows, longest = len(said), max(map(len, said))
        ids = np.array([prompted.ids], np.int64)
        mask = np.ones_like(ids)
        hidden = self._encoder.run({"input_ids": ids, "attention_mask": mask})[0]
        before = np.zeros((rows, longest), np.int64)
        before[:, 0] = self._start
        for row, tokens in enumerate(said):
            before[row, 1 : len(tokens)] = tokens[:-1]
        logits = self._decoder.run(
            {
                "input_ids": before,
                "encoder_hidden_states": np.repeat(hidden, rows, axis=0),
                "encoder_attention_mask": np.repeat(mask, rows, axis=0),
                "beam_idx": np.arange(rows, dtype=np.int32),
            }
        )[0]
        if logits.ndim != 3 or logits.shape[:2] != before.shape or not np.isfinite(logits).all():
            raise ModelFailed(
                f"model {self.name} answers with {logits.shape}; finite numbers of "
                f"{before.shape} and its vocabulary are expected"
            )
        # After an answer's end there is padding: the decoder does not look ahead.
        return np.array(
            [
                _log_softmax(logits[row, : len(tokens)])[np.arange(len(tokens)), tokens].sum()
                for row, tokens in enumerate(said)
            ],
            np.float32,
        )


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    answer: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return answer
