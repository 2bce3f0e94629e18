"""Models that may be installed, and the reason for a fallback when they are not."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from hearth.errors import ModelFailed, ModelUnavailable
from hearth_text.store import Loaded

T = TypeVar("T")


class Models(Protocol[T]):
    """Provides models, loaded at their first use."""

    def get(self, name: str) -> Loaded[T]: ...


class OptionalModel(Generic[T]):
    """A model that may not be installed.

    Args:
        name: The model's name; empty when none is installed.
        setting: The setting that names it.
    """

    def __init__(self, models: Models[T], name: str, setting: str) -> None:
        self._models = models
        self.name = name
        self._setting = setting

    def get(self) -> tuple[Loaded[T], None] | tuple[None, str]:
        """Return the model, or the reason for a fallback. An error that a retry would fix is
        raised.

        Raises:
            Unavailable: The model is still being loaded.
        """
        if not self.name:
            return None, f"no model is installed for it; {self._setting} names one"
        try:
            return self._models.get(self.name), None
        except (ModelUnavailable, ModelFailed) as error:
            return None, error.message
