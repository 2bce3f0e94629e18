"""Functions of the small stack."""
