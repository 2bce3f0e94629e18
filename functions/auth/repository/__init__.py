"""The tables of `auth`. Every function takes the caller's transaction."""
