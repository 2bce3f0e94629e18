"""Ask a deployed API, with signed requests, whether it answers; and unsigned, whether it refuses.

    python scripts/smoke.py --stack hearth          the address is the stack's output ApiUrl
    python scripts/smoke.py --url https://...       the region is read from the address

Needs botocore (scripts/tools sam has it) and credentials that may call execute-api:Invoke. It reads
and changes nothing. Exit status: 0 all well, 1 something is not, 64 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from botocore.session import Session

# One route of each HTTP function: each reads the database.
ROUTES = ("/api/v1/cameras", "/api/v1/jobs/summary", "/api/v1/reports")
ATTEMPTS = 5
PAUSE_S = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", help="name of the CloudFormation stack")
    where.add_argument("--url", help="address of the API")
    parser.add_argument("--pause", type=float, default=PAUSE_S, help="seconds between attempts")
    arguments = parser.parse_args()
    session = Session()
    try:
        url = (arguments.url or api_url(session, arguments.stack)).rstrip("/")
        problems = list(check(session, url, lambda: time.sleep(arguments.pause)))
    except (BotoCoreError, ClientError, LookupError) as error:
        problems = [str(error)]
    for problem in problems:
        sys.stderr.write(f"smoke: {problem}\n")
    return 1 if problems else 0


def api_url(session: Session, stack: str) -> str:
    """The output ApiUrl of a stack. Raises LookupError where it has none."""
    answer = session.create_client("cloudformation").describe_stacks(StackName=stack)
    for output in answer["Stacks"][0].get("Outputs", []):
        if output["OutputKey"] == "ApiUrl":
            return str(output["OutputValue"])
    raise LookupError(f"the stack {stack} has no output ApiUrl")


def check(session: Session, url: str, pause: Callable[[], None]) -> list[str]:
    """What is wrong with the API at `url`, a sentence each."""
    problems = []
    for route in ROUTES:
        # The first request after a deployment may meet a function that starts.
        for attempt in range(ATTEMPTS):
            if attempt:
                pause()
            status, body = get(session, url + route, signed=True)
            if status < 500:
                break
        if status != 200:
            problems.append(f"GET {route} answered {status}: {body[:200]}")
        elif not is_object(body):
            problems.append(f"GET {route} answered no JSON object: {body[:200]}")
        else:
            sys.stdout.write(f"GET {route} 200\n")
    status, _ = get(session, url + ROUTES[0], signed=False)
    if status != 403:
        problems.append(f"an unsigned GET {ROUTES[0]} answered {status} and not 403")
    return problems


def get(session: Session, url: str, *, signed: bool) -> tuple[int, str]:
    """Status and body; status 599 where nothing answers."""
    request = AWSRequest("GET", url)
    if signed:
        credentials = session.get_credentials()
        if credentials is None:
            raise LookupError("there are no AWS credentials in the environment")
        SigV4Auth(credentials, "execute-api", region_of(session, url)).add_auth(request)
    try:
        answer: Any = URLLib3Session(timeout=30).send(request.prepare())
    except BotoCoreError as error:
        return 599, str(error)
    return answer.status_code, answer.content.decode("utf-8", "replace")


def region_of(session: Session, url: str) -> str:
    found = re.search(r"\.execute-api\.([a-z0-9-]+)\.", url)
    region = found[1] if found else session.get_config_variable("region")
    if not region:
        raise LookupError(f"the region of {url} is not known; set AWS_DEFAULT_REGION")
    return str(region)


def is_object(body: str) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
