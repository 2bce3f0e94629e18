"""Our own rules for `template.yaml`: it is the only wiring, so it is checked like code."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hearth import migrations

if TYPE_CHECKING:
    from hearth_runtime.http.routing import RouteTable
    from tests.infra.conftest import Template

ROOT = Path(__file__).resolve().parents[2]
MONITORING = sorted((ROOT / "layers" / "monitoring").glob("*.yaml"))


def target(function: dict[str, Any]) -> tuple[str, str]:
    """Module and attribute that a function's image starts."""
    (command,) = function["ImageConfig"]["Command"]
    module, _, attribute = command.rpartition(".")
    return module, attribute


def folder(function: dict[str, Any]) -> str:
    """The capability that a function belongs to: the name of its folder."""
    return target(function)[0].split(".")[1]


def referred(value: Any) -> str:
    """The logical id that a Ref or GetAtt names."""
    if "Ref" in value:
        return str(value["Ref"])
    names = value["Fn::GetAtt"]
    return str(names[0] if isinstance(names, list) else names.split(".")[0])


# ---- functions ----


def test_every_function_is_named_by_the_stack_and_described(template: Template) -> None:
    for name, function in template.functions.items():
        service = function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        assert function["FunctionName"] == {"Fn::Sub": f"${{AWS::StackName}}-{service}"}, name
        assert function["Description"].endswith("."), name


def test_every_function_starts_something_that_exists(template: Template) -> None:
    for name, function in template.functions.items():
        module, attribute = target(function)
        source = ROOT / f"{module.replace('.', '/')}.py"
        assert source.is_file(), f"{name}: there is no {source.relative_to(ROOT)}"
        assigned = {
            node.id
            for node in ast.walk(ast.parse(source.read_text("utf-8")))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        assert attribute in assigned, f"{name}: {module} has no {attribute}"


def test_every_image_is_built_from_the_root_up_to_its_unhardened_stage(template: Template) -> None:
    for name, resource in template.of_type("AWS::Serverless::Function").items():
        assert resource["Metadata"] == {
            "Dockerfile": f"functions/{folder(resource['Properties'])}/Dockerfile",
            "DockerContext": ".",
            "DockerBuildTarget": "runtime",
        }, name


def test_every_variable_that_is_passed_is_one_that_the_function_reads(template: Template) -> None:
    for name, function in template.functions.items():
        settings = importlib.import_module(f"functions.{folder(function)}.settings").Settings
        known = {field.upper() for field in settings.model_fields}
        passed = {
            variable
            for variable in function["Environment"]["Variables"]
            if not variable.startswith("POWERTOOLS_") and variable != "PLUGINS"  # declarations
        }
        assert passed <= known, f"{name} does not read {sorted(passed - known)}"


def test_every_route_of_a_function_reaches_it_and_every_route_of_the_api_leads_somewhere(
    template: Template, routes: RouteTable
) -> None:
    wired = {(event["Method"], event["Path"]) for _, event in template.events("HttpApi")}
    used = set()
    for capability in {folder(template.functions[name]) for name, _ in template.events("HttpApi")}:
        app = importlib.import_module(f"functions.{capability}.api").create_app(None)
        for path, methods in app.openapi()["paths"].items():
            for method in methods:
                match = routes.find(method.upper(), path.replace("{", "").replace("}", ""))
                assert match is not None, (capability, method, path)
                (reached,) = (
                    function
                    for function in template.functions.values()
                    if function["FunctionName"]["Fn::Sub"]
                    == match.route.function.replace("hearth-", "${AWS::StackName}-", 1)
                )
                assert folder(reached) == capability, (capability, method, path)
                used.add((match.route.method, match.route.path))
    assert used == wired


# ---- queues ----


def test_every_queue_is_encrypted(template: Template) -> None:
    for name, queue in template.of_type("AWS::SQS::Queue").items():
        assert queue["Properties"].get("SqsManagedSseEnabled") is True, name


def test_queues_talk_tls_only(template: Template) -> None:
    denied = {
        referred(queue)
        for policy in template.of_type("AWS::SQS::QueuePolicy").values()
        for queue in policy["Properties"]["Queues"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == "sqs:*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }
    assert denied == set(template.of_type("AWS::SQS::Queue"))


def test_a_queue_that_feeds_a_function_gives_up_on_a_message_after_a_while(
    template: Template,
) -> None:
    queues = template.of_type("AWS::SQS::Queue")
    for _, event in template.events("SQS"):
        name = referred(event["Queue"])
        redrive = queues[name]["Properties"]["RedrivePolicy"]
        dead_letters = referred(redrive["deadLetterTargetArn"])
        assert dead_letters in queues, name
        assert 3 <= redrive["maxReceiveCount"] <= 10, name
        kept = queues[dead_letters]["Properties"]["MessageRetentionPeriod"]
        assert kept > queues[name]["Properties"]["MessageRetentionPeriod"], name


def test_a_message_stays_hidden_for_as_long_as_its_function_may_run(template: Template) -> None:
    queues = template.of_type("AWS::SQS::Queue")
    for name, event in template.events("SQS"):
        hidden = queues[referred(event["Queue"])]["Properties"]["VisibilityTimeout"]
        assert hidden >= template.functions[name]["Timeout"], name


def test_one_bad_message_does_not_bring_its_batch_back(template: Template) -> None:
    for name, event in template.events("SQS"):
        assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


# ---- storage ----


def test_buckets_are_private_encrypted_and_outlive_the_stack(template: Template) -> None:
    for name, bucket in template.of_type("AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}, name
        assert len(properties["PublicAccessBlockConfiguration"]) == 4, name
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"], name
        assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain", name


def test_buckets_talk_tls_only(template: Template) -> None:
    denied = {
        referred(policy["Properties"]["Bucket"])
        for policy in template.of_type("AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == "s3:*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }
    assert denied == set(template.of_type("AWS::S3::Bucket"))


# ---- permissions ----


def statements(function: dict[str, Any]) -> list[dict[str, Any]]:
    """What a function's block permits word by word, beside the policy that all share."""
    return [
        statement
        for policy in function.get("Policies", [])
        for statement in policy.get("Statement", [])
    ]


def test_a_function_reads_and_writes_only_below_the_prefixes_it_works_with(
    template: Template,
) -> None:
    allowed = {
        "AnalyticsFunction": set(),
        "AnalyticsApiFunction": set(),
        "AnalyticsRollupFunction": set(),
        "ClusteringFunction": {
            ("GetObject", "datasets"),
            ("GetObject", "models/clustering"),
            ("PutObject", "clustering/results"),
            ("PutObject", "models/clustering"),
        },
        "ClusteringApiFunction": {
            ("DeleteObject", "models/clustering"),
            ("GetObject", "clustering/results"),
            ("GetObject", "datasets"),
            ("GetObject", "models/clustering"),
            ("PutObject", "models/clustering"),
        },
        "DetectionFunction": {
            ("GetObject", "frames"),
            ("GetObject", "config"),
            ("GetObject", "models"),
            ("PutObject", "evidence"),
        },
        "DetectionApiFunction": {
            ("GetObject", "config"),
            ("GetObject", "evidence"),
            ("GetObject", "frames"),
        },
        "EmbeddingsFunction": {("GetObject", "texts"), ("PutObject", "vectors")},
        "NotificationsFunction": {("GetObject", "evidence/alerts")},
        "ReportsFunction": {
            ("GetObject", "evidence"),
            ("GetObject", "reports"),
            ("PutObject", "reports"),
        },
        "ReportsApiFunction": {("GetObject", "reports")},
    }
    for name, function in template.functions.items():
        found = {
            (action.removeprefix("s3:"), resource["Fn::Sub"].removeprefix("${Bucket.Arn}/")[:-2])
            for statement in statements(function)
            if (action := statement["Action"]).endswith("Object")
            for resource in statement["Resource"]
        }
        assert found == allowed.get(name, set()), name


def test_no_function_has_a_policy_of_a_whole_bucket_or_of_every_action(template: Template) -> None:
    for name, function in template.functions.items():
        for policy in function.get("Policies", []):
            assert not any(key.startswith("S3") for key in policy), name
        for statement in statements(function):
            assert "*" not in statement["Action"], name
            # Metrics have no ARN: AWS takes no other resource for this one action.
            if statement["Action"] != "cloudwatch:GetMetricData":
                assert statement["Resource"] != "*", name
        shared = [policy for policy in function.get("Policies", []) if "Ref" in policy]
        assert shared in ([], [{"Ref": "Access"}]), name


# ---- load ----


def test_every_function_holds_a_bounded_number_of_database_connections(template: Template) -> None:
    for name, function in template.functions.items():
        by_queue = [
            event["Properties"].get("ScalingConfig", {}).get("MaximumConcurrency")
            for event in function.get("Events", {}).values()
            if event["Type"] == "SQS"
        ]
        assert "ReservedConcurrentExecutions" in function or (by_queue and all(by_queue)), name


# ---- deployment and monitoring ----


def watched(template: Template) -> dict[str, Any]:
    """The functions whose new versions are watched: all but the one that a deployment waits for."""
    functions = template.functions
    return {name: functions[name] for name in functions if name != "MigrateFunction"}


def test_a_new_version_takes_over_bit_by_bit_and_its_own_alarms_take_it_back(
    template: Template,
) -> None:
    defaults = template.body["Globals"]["Function"]
    assert defaults["AutoPublishAlias"] == "live"
    assert defaults["DeploymentPreference"] == {"Type": {"Ref": "DeploymentType"}}
    kind = template.body["Parameters"]["DeploymentType"]
    assert kind["Default"].startswith("Canary")
    for name, function in watched(template).items():
        alarms = f"{name.removesuffix('Function')}Alarms"
        assert [alarm["Fn::GetAtt"] for alarm in function["DeploymentPreference"]["Alarms"]] == [
            [alarms, "Outputs.NewVersionFails"],
            [alarms, "Outputs.NewVersionIsSlow"],
        ], name
        stack = template.body["Resources"][alarms]["Properties"]
        assert stack["TemplateURL"] == "layers/monitoring/function.yaml"
        assert stack["Parameters"]["FunctionName"] == {"Ref": name}
        assert stack["Parameters"]["Version"] == {"Fn::GetAtt": [name, "Version.Version"]}
        # A function is slow before it is cut off.
        assert stack["Parameters"]["SlowMs"] <= 0.8 * 1000 * function["Timeout"], name


def test_a_deployment_publishes_a_version_whatever_it_changed(template: Template) -> None:
    # By itself SAM looks at the image and at the environment's text: another value of a parameter
    # would reach $LATEST and never the alias. AutoPublishAliasAllProperties overlooks values too,
    # and fails where only a tag or the concurrency changed.
    for name, function in watched(template).items():
        assert function["AutoPublishCodeSha256"] == {"Ref": "Release"}, name
        assert "AutoPublishAliasAllProperties" not in function, name


def test_no_function_starts_with_a_schema_that_is_older_than_its_code(template: Template) -> None:
    resources = template.body["Resources"]
    assert {resources[name].get("DependsOn") for name in watched(template)} == {"Schema"}


def test_every_function_logs_json_into_a_group_that_forgets(template: Template) -> None:
    assert template.body["Globals"]["Function"]["LoggingConfig"] == {"LogFormat": "JSON"}
    groups = template.of_type("AWS::Logs::LogGroup")
    for name, function in template.functions.items():
        group = groups[referred(function["LoggingConfig"]["LogGroup"])]["Properties"]
        service = function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        assert group["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}-{service}"}, (
            name
        )
    for name, resource in groups.items():
        assert resource["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


# ---- schema ----


def test_a_deployment_migrates_to_the_newest_revision(template: Template) -> None:
    (schema,) = template.of_type("Custom::DatabaseSchema").values()
    assert schema["Properties"]["Revision"] == migrations.head()
    function = template.functions[referred(schema["Properties"]["ServiceToken"])]
    assert schema["Properties"]["ServiceTimeout"] >= function["Timeout"]


# ---- the file itself ----

_STORAGE = ("AWS::S3::", "AWS::DSQL::", "AWS::IAM::ManagedPolicy")
_ROOMS = (_STORAGE, "AWS::SQS::", "AWS::Serverless::Function", "AWS::Serverless::HttpApi")
_COMPANIONS = ("Custom::", "AWS::Logs::", "AWS::CloudFormation::Stack")
"""Stand below what they belong to."""


def test_blocks_stand_in_their_order(template: Template) -> None:
    assert list(template.body)[-6:] == [
        "Parameters",
        "Rules",
        "Globals",
        "Conditions",
        "Resources",
        "Outputs",
    ]
    resources = [
        (name, resource)
        for name, resource in template.body["Resources"].items()
        if not resource["Type"].startswith(_COMPANIONS)
    ]
    rooms = [
        next(n for n, room in enumerate(_ROOMS) if resource["Type"].startswith(room))
        for _, resource in resources
    ]
    for (before, after), (name, _) in zip(pairwise(rooms), resources[1:], strict=True):
        assert before <= after, f"{name} stands below a block of a later kind"


def test_functions_stand_in_alphabetical_order(template: Template) -> None:
    names = [function["FunctionName"]["Fn::Sub"] for function in template.functions.values()]
    assert names == sorted(names)


def test_every_parameter_is_described_and_secrets_are_not_echoed(template: Template) -> None:
    for name, parameter in template.body["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        if re.search(r"Key$|Password|Secret|Token|DatabaseUrl|SmtpUrl", name):
            assert parameter["NoEcho"] is True, name


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("an account", r"\b\d{12}\b"),
        ("a region", r"\b(?:af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d\b"),
        ("an ARN", r"\barn:aws"),  # a partition; ours begin with arn:${AWS::Partition}
    ],
)
def test_nothing_is_bound_to_one_account_or_region(
    template: Template, what: str, pattern: str
) -> None:
    found = re.findall(pattern, template.text)
    assert found == [], f"{what} is written down"


@pytest.mark.parametrize("path", [ROOT / "template.yaml", *MONITORING], ids=lambda path: path.stem)
def test_cfn_lint_finds_nothing(path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from cfnlint.runner import main; main()", str(path)],
        cwd=ROOT,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
