"""Creates the template's queues, bucket and notifications in a LocalStack that has just started.

LocalStack runs it in its own process. `HEARTH_PROJECT` names the project's folder (`/opt/hearth`
where it is not set, for a container), `HEARTH_STACK` the stack (`hearth`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def create() -> None:
    """Raises SetupError or OSError with what is wrong; LocalStack logs it and goes on."""
    project = Path(os.environ.get("HEARTH_PROJECT") or "/opt/hearth")
    sys.path.insert(0, str(project / "localstack"))
    from hearth_runtime.aws.endpoint import AwsEndpoint
    from hearth_runtime.aws.provision import provision
    from hearth_runtime.template.reader import Place, TemplateSource
    from localstack import config

    endpoint = AwsEndpoint.local(config.internal_service_url())
    place = Place(os.environ.get("HEARTH_STACK") or "hearth", endpoint.region)
    template = TemplateSource.read(project / "template.yaml").resolve({}, place)
    made = provision(template, endpoint)
    print(f"Hearth: {', '.join(sorted(made))} are there")  # noqa: T201  LocalStack's log


create()
