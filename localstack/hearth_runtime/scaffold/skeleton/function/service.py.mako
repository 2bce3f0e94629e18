"""What `${name}` decides. It knows no event, no route and no AWS."""

from __future__ import annotations

from ${package}.schemas import LengthOut


class ${title}Service:
    """Measures texts: replace this with what the capability is for."""

    def measure(self, text: str) -> LengthOut:
        """Count the characters and the words of `text`."""
        return LengthOut(characters=len(text), words=len(text.split()))
