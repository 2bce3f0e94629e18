"""${description}."""
