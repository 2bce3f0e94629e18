"""Limits of requests and jobs."""

from __future__ import annotations

from typing import Final

MAX_COLUMNS: Final = 1_000
MAX_ROWS: Final = 50_000
MAX_INLINE_BYTES: Final = 10_000_000
"""Rows x columns x 8: as float64, the way they are computed."""
MAX_BODY_BYTES: Final = 6 * 1024 * 1024
"""Lambda's limit for a request and a response."""
MAX_ANSWER_BYTES: Final = 5_500_000
"""Below Lambda's limit, because the answer is a string inside another JSON document."""
ALGORITHM_S: Final = 8.0
SMALL_ROWS: Final = 2_000
SMALL_VALUES: Final = 20_000
SMALL_CLUSTERS: Final = 16
"""Up to these sizes clusters and anomalies are computed without a child process: the slowest that
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
"""The folder of data sets in the bucket, the only one that callers may name."""
