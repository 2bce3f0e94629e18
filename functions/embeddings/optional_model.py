"""Models that a person may have installed, and what it means that none is there."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from hearth.errors import ModelFailed, ModelUnavailable
from hearth_text.store import Loaded

T = TypeVar("T")


class Models(Protocol[T]):
    """Gives models, loaded when they are first asked for."""

    def get(self, name: str) -> Loaded[T]: ...


class OptionalModel(Generic[T]):
    """A model, or the reason why there is none.

    Args:
        models: Where it would come from.
        name: Of the model; empty: none is installed.
        setting: What names it.
    """

    def __init__(self, models: Models[T], name: str, setting: str) -> None:
        self._models = models
        self.name = name
        self._setting = setting

    def get(self) -> tuple[Loaded[T], None] | tuple[None, str]:
        """The model, or why another method has to answer. What a retry would mend is raised.

        Raises:
            Unavailable: It is still being loaded.
        """
        if not self.name:
            return None, f"no model is installed for it; {self._setting} names one"
        try:
            return self._models.get(self.name), None
        except (ModelUnavailable, ModelFailed) as error:
            return None, error.message
