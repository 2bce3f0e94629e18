"""From a network's raw output to boxes, one module for each family of detectors."""
