"""Ask a deployed API whether it answers those it knows, and turns others away.

    python scripts/smoke.py --stack hearth          the address is the stack's output ApiUrl
    python scripts/smoke.py --url https://...

HEARTH_TOKEN holds an API key or an access token that may read cameras, jobs and reports. Without
it, as after the first deployment, when nobody is registered, only what needs none is asked. Needs
botocore (scripts/tools sam has it), and for --stack credentials. It reads and changes nothing.
Exit status: 0 all well, 1 something is not, 64 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from botocore.session import Session

# One route of each HTTP function: each reads the database.
PUBLIC = "/openapi.json"
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
    token = os.environ.get("HEARTH_TOKEN", "").strip()
    try:
        url = (arguments.url or api_url(Session(), arguments.stack)).rstrip("/")
        problems = list(check(url, token, lambda: time.sleep(arguments.pause)))
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


def check(url: str, token: str, pause: Callable[[], None]) -> list[str]:
    """What is wrong with the API at `url`, a sentence each."""
    problems = []
    for route in (PUBLIC, *ROUTES) if token else (PUBLIC,):
        # The first request after a deployment may meet a function that starts.
        for attempt in range(ATTEMPTS):
            if attempt:
                pause()
            status, body = get(url + route, "" if route == PUBLIC else token)
            if status < 500:
                break
        if status != 200:
            problems.append(f"GET {route} answered {status}: {body[:200]}")
        elif not is_object(body):
            problems.append(f"GET {route} answered no JSON object: {body[:200]}")
        else:
            sys.stdout.write(f"GET {route} 200\n")
    if not token:
        sys.stdout.write("HEARTH_TOKEN is not set: no route that needs one was asked\n")
    # The second is asked of the authorizer, and so of the database.
    for who, shown in (("an anonymous", ""), ("a forged", "not-a-token")):
        status, _ = get(url + ROUTES[0], shown)
        if status not in (401, 403):
            problems.append(f"{who} GET {ROUTES[0]} answered {status} and not 401 or 403")
    return problems


def get(url: str, token: str) -> tuple[int, str]:
    """Status and body; status 599 where nothing answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = AWSRequest("GET", url, headers=headers).prepare()
        answer: Any = URLLib3Session(timeout=30).send(request)
    except BotoCoreError as error:
        return 599, str(error)
    return answer.status_code, answer.content.decode("utf-8", "replace")


def is_object(body: str) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
