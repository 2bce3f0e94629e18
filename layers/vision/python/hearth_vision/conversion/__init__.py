"""Makes the models that Hearth brings: at build time only, never when something is answered."""
