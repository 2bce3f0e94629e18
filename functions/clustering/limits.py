"""How much is taken, by a request and by a job (contracts, section 2)."""

from __future__ import annotations

from typing import Final

MAX_COLUMNS: Final = 1_000
MAX_ROWS: Final = 50_000
MAX_INLINE_BYTES: Final = 10_000_000
"""Rows x columns x 8: as float64, the way they are computed."""
MAX_BODY_BYTES: Final = 6 * 1024 * 1024
"""What Lambda takes and gives in one call."""
MAX_ANSWER_BYTES: Final = 5_500_000
"""Less than that: the answer travels as a text inside another JSON."""
ALGORITHM_S: Final = 8.0
SMALL_ROWS: Final = 2_000
SMALL_VALUES: Final = 20_000
SMALL_CLUSTERS: Final = 16
"""Up to here clusters and anomalies are computed without a process of their own: the slowest that
was found, HDBSCAN of 2,000 rows, takes half a second."""
BATCH_S: Final = 24.0
"""All operations of a batch: the gateway waits 29 seconds, and a first call also imports."""
MAX_OPERATIONS: Final = 100

MAX_JOB_ROWS: Final = 1_000_000
MAX_JOB_VALUES: Final = 80_000_000
"""Rows x columns of a job: 320 MB as float32; 200,000 x 384 are 77 million."""
MAX_FILE_BYTES: Final = 1024**3
DOUBLE_VALUES: Final = 20_000_000
"""Up to so many values a file of float64 stays what it is; beyond, it is read as float32."""
JOB_ATTEMPTS: Final = 3

MAX_MODEL_BYTES: Final = 64 * 1024 * 1024
MAX_MODEL_UNPACKED_BYTES: Final = 256 * 1024 * 1024
DATASETS: Final = "datasets/"
"""Where data sets lie in the bucket: the one folder that is read at a caller's word."""
