"""Takes its time to import: HEARTH_TEST_INIT_S seconds."""

import os
import time

time.sleep(float(os.environ["HEARTH_TEST_INIT_S"]))


def lambda_handler(event, context):
    return event
