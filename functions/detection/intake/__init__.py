"""Admission and loading of frames; the model and the policy in force."""
