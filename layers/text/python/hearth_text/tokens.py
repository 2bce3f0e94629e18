"""Converts texts to token ids, and reports truncation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from hearth.errors import InvalidInput, ModelFailed


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text.

    Attributes:
        ids: With the special tokens, at most as many as the model reads.
        type_ids: 0 for the first text of a pair, 1 for the second; as long as `ids`.
        truncated: Whether the model does not see the end of the text.
    """

    ids: Sequence[int]
    type_ids: Sequence[int]
    truncated: bool


_CHARS_PER_TOKEN: Final = 64
"""An English token has four or five characters. What lies beyond this many for each token that the
model reads is cut off first: a tokenizer reads a text whole, and then forgets most of it."""


class TextTokenizer:
    """A `tokenizer.json` of Hugging Face, with our truncation and no padding.

    Args:
        path: The file.
        max_tokens: Of one text or pair, special tokens included.

    Raises:
        ModelFailed: Missing, or no tokenizer.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # it raises Exception itself, whatever is wrong
            raise ModelFailed(f"Tokenizer {path} cannot be read: {error}") from error
        # The file has the settings of training: other lengths, and padding.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._max_chars = max_tokens * _CHARS_PER_TOKEN

    def knows(self, word: str) -> bool:
        """Whether a whole word is in the vocabulary; most of BERT's entries are English words."""
        return self._tokenizer.token_to_id(word) is not None

    def encode(self, texts: Sequence[str | tuple[str, str]]) -> list[Tokens]:
        """Tokenize texts, or pairs of texts; thread-safe.

        Raises:
            InvalidInput: A text is no Unicode: half of a surrogate pair.
        """
        for index, text in enumerate(texts):
            _check_unicode(index, text)
        read = [self._cut(text) for text in texts]
        return [
            Tokens(encoding.ids, encoding.type_ids, bool(encoding.overflowing) or part != text)
            for text, part, encoding in zip(
                texts, read, self._tokenizer.encode_batch_fast(read), strict=True
            )
        ]

    def _cut(self, text: str | tuple[str, str]) -> str | tuple[str, str]:
        if isinstance(text, str):
            return text[: self._max_chars]
        return text[0][: self._max_chars], text[1][: self._max_chars]


def _check_unicode(index: int, text: str | tuple[str, str]) -> None:
    for part in [text] if isinstance(text, str) else text:
        try:
            part.encode()
        except UnicodeEncodeError as error:
            message = f"holds half of a surrogate pair at character {error.start}"
            raise InvalidInput(
                f"text {index} {message}; send valid Unicode",
                details=[{"field": f"texts.{index}", "message": message}],
            ) from error
