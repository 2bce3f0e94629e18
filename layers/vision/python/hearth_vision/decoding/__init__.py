"""Decodes raw network outputs into boxes, a module for each family of detectors."""
