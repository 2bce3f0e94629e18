"""The tables of auth and every statement on them, in the caller's transaction."""
