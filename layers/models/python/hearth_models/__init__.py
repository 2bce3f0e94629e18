"""Model toolkit: a registry with variants and their agreement, and evaluation.

A person's tool (`hearth models …`), part of no function. What the detector needs at run time to
read the registry is `hearth_vision.served_model`.
"""
