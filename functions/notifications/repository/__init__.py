"""The tables of notifications and every statement on them, in the caller's transaction."""
