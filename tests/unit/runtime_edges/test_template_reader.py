"""What is read from a template, from Hearth's own and from small ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hearth_runtime.template.intrinsics import TemplateError, load_yaml
from hearth_runtime.template.model import Authorizer, Cors, Redrive, Template, Throttle
from hearth_runtime.template.reader import Identity, Place, TemplateSource

ROOT = Path(__file__).resolve().parents[3]


def read(text: str, **known: Identity) -> Template:
    return TemplateSource(load_yaml(text, "t")).resolve({}, Place("home"), known)


FUNCTION = """
  F:
    Type: AWS::Serverless::Function
    Properties:
      PackageType: Image
      ImageConfig: {{ Command: [app.handler] }}
      {extra}
"""


def with_event(kind: str, properties: str, more: str = "") -> str:
    event = f"Events: {{ E: {{ Type: {kind}, Properties: {{ {properties} }} }} }}"
    return f"Resources:{FUNCTION.format(extra=event)}  Q: {{ Type: AWS::SQS::Queue }}\n{more}"


def test_an_empty_template_asks_for_nothing() -> None:
    template = read("Resources: {}")
    assert (template.functions, template.queues, template.buckets) == ((), (), ())
    assert template.api.routes == ()


def test_hearths_own_template_can_be_run() -> None:
    source = TemplateSource.read(ROOT / "template.yaml")
    template = source.resolve({"DatabaseUrl": "sqlite:///x"})
    functions = {spec.short_name: spec for spec in template.functions}
    assert functions["detection"].handler == "functions.detection.main.lambda_handler"
    assert functions["detection"].environment["DATABASE_URL"] == "sqlite:///x"
    assert functions["detection"].memory_mb == 2048
    assert {mapping.queue_id for mapping in template.mappings} >= {"DetectionQueue"}
    assert all(mapping.partial_responses for mapping in template.mappings)
    queues = {queue.logical_id: queue for queue in template.queues}
    assert queues["DetectionQueue"].redrive == Redrive("DeadLetters", 5)
    assert template.buckets[0].notifications[0].prefix == "frames/"
    assert template.custom_resources[0].function == "hearth-migrate"
    guards = {route.authorizer for route in template.api.routes if not route.public}
    assert guards == {
        Authorizer("Hearth", "hearth-authorizer", ("$request.header.Authorization",), 60)
    }
    assert all(route.authorizer is None for route in template.api.routes if route.public)


def test_a_functions_environment_is_merged_over_the_globals() -> None:
    text = (
        """
Globals:
  Function:
    Timeout: 7
    Environment: { Variables: { SHARED: one, BOTH: global, FLAG: true } }
"""
        + "Resources:"
        + FUNCTION.format(extra="Environment: { Variables: { BOTH: own, COUNT: 3 } }")
    )
    spec = read(text).functions[0]
    assert spec.environment == {"SHARED": "one", "BOTH": "own", "FLAG": "true", "COUNT": "3"}
    assert (spec.timeout_s, spec.memory_mb) == (7.0, 128)


def test_a_globals_intrinsic_is_replaced_not_merged() -> None:
    text = (
        """
Globals: { Function: { Environment: { Variables: { A: !Ref "AWS::Region" } } } }
"""
        + "Resources:"
        + FUNCTION.format(extra="Environment: { Variables: { A: !Ref AWS::StackName } }")
    )
    assert read(text).functions[0].environment == {"A": "home"}


def test_environment_follows_the_real_queue_url_once_it_is_known() -> None:
    text = with_event("SQS", "Queue: !GetAtt Q.Arn").replace(
        "Events:", "Environment: { Variables: { URL: !Ref Q } }\n      Events:"
    )
    assert "home-Q" in read(text).functions[0].environment["URL"]
    real = Identity("http://127.0.0.1:1/q", {"Arn": "arn:aws:sqs:x:1:q", "QueueName": "q"})
    template = read(text, Q=real)
    assert template.functions[0].environment["URL"] == "http://127.0.0.1:1/q"
    assert template.mappings[0].queue_id == "Q"


def test_names_default_to_stack_and_logical_id() -> None:
    template = read(with_event("SQS", "Queue: !GetAtt Q.Arn", "  B: { Type: AWS::S3::Bucket }\n"))
    assert template.functions[0].name == "home-F"
    assert template.functions[0].short_name == "F"
    assert template.queues[0].name == "home-Q"
    assert template.buckets[0].name == "home-b"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ("Queue: !GetAtt Q.Arn", (10, 0.0, None, False, True)),
        (
            "Queue: !GetAtt Q.Arn, BatchSize: 1, Enabled: false,"
            " FunctionResponseTypes: [ReportBatchItemFailures]",
            (1, 0.0, None, True, False),
        ),
        (
            "Queue: !GetAtt Q.Arn, BatchSize: 100, MaximumBatchingWindowInSeconds: 5,"
            " ScalingConfig: { MaximumConcurrency: 3 }",
            (100, 5.0, 3, False, True),
        ),
    ],
)
def test_a_queue_event_becomes_a_mapping(properties: str, expected: tuple[Any, ...]) -> None:
    mapping = read(with_event("SQS", properties)).mappings[0]
    assert (
        mapping.batch_size,
        mapping.window_s,
        mapping.maximum_concurrency,
        mapping.partial_responses,
        mapping.enabled,
    ) == expected


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("HttpApi", "", ("$default", False)),
        ("HttpApi", "Path: /, Method: get", ("GET /", False)),
        ("HttpApi", "Path: '/a/{b}', Method: '*'", ("ANY /a/{b}", False)),
        ("HttpApi", "Path: '/{rest+}', Method: POST", ("POST /{rest+}", False)),
        ("HttpApi", "Path: /, Method: GET, Auth: { Authorizer: NONE }", ("GET /", True)),
    ],
)
def test_an_http_event_becomes_a_route(
    kind: str, properties: str, expected: tuple[str, bool]
) -> None:
    route = read(with_event(kind, properties)).api.routes[0]
    assert (route.key, route.public) == expected
    assert route.authorizer is None


def api(authorizer: str, default: str = "Own") -> str:
    return f"""
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {{ Auth: {{ DefaultAuthorizer: {default}, Authorizers: {{ Own: {authorizer} }} }} }}
"""


def lambda_authorizer(identity: str = "{ Headers: [Authorization] }", **changes: str) -> str:
    properties = {
        "FunctionArn": "!GetAtt F.Arn",
        "AuthorizerPayloadFormatVersion": "'2.0'",
        "EnableSimpleResponses": "true",
        "Identity": identity,
    } | changes
    return "{" + ", ".join(f"{name}: {value}" for name, value in properties.items()) + "}"


@pytest.mark.parametrize(
    ("authorizer", "expected"),
    [
        (lambda_authorizer(), Authorizer("Own", "home-F", ("$request.header.Authorization",), 300)),
        (
            lambda_authorizer("{ ReauthorizeEvery: 0 }", FunctionArn="!Ref F.Alias"),
            Authorizer("Own", "home-F", (), 0),
        ),
        (
            lambda_authorizer(
                "{ Headers: [X-Key], QueryStrings: [k], Context: [routeKey], ReauthorizeEvery: 5 }"
            ),
            Authorizer(
                "Own",
                "home-F",
                ("$request.header.X-Key", "$request.querystring.k", "$context.routeKey"),
                5,
            ),
        ),
    ],
)
def test_a_lambda_authorizer_guards_the_routes_that_do_not_opt_out(
    authorizer: str, expected: Authorizer
) -> None:
    for own, found in (("", expected), ("Auth: { Authorizer: Own }", expected)):
        event = with_event("HttpApi", f"ApiId: !Ref Api, {own}", api(authorizer))
        assert read(event).api.routes[0].authorizer == found
    event = with_event("HttpApi", "ApiId: !Ref Api, Auth: { Authorizer: NONE }", api(authorizer))
    assert (read(event).api.routes[0].authorizer, read(event).api.routes[0].public) == (None, True)


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("Schedule", "Schedule: rate(1 minute)", ("rule", "rate(1 minute)", "UTC", None, True)),
        (
            "Schedule",
            "Schedule: rate(1 day), Enabled: false",
            ("rule", "rate(1 day)", "UTC", None, False),
        ),
        (
            "ScheduleV2",
            "ScheduleExpression: rate(1 hour), State: DISABLED,"
            " ScheduleExpressionTimezone: Europe/Athens, Input: '{}'",
            ("scheduler", "rate(1 hour)", "Europe/Athens", "{}", False),
        ),
    ],
)
def test_a_schedule_event_becomes_a_schedule(
    kind: str, properties: str, expected: tuple[Any, ...]
) -> None:
    found = read(with_event(kind, properties)).schedules[0]
    assert (found.source, found.expression, found.timezone, found.input, found.enabled) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_event("S3", "Bucket: x"), "events of type S3 are not supported"),
        (with_event("SQS", "Queue: arn:aws:sqs:a:b:other"), "is not the Arn of an AWS::SQS::Queue"),
        (with_event("SQS", "Queue: !Ref Q"), "is not the Arn of an AWS::SQS::Queue"),
        (with_event("SQS", "Queue: !GetAtt Q.Arn, BatchSize: 11"), "above 10 needs"),
        (with_event("SQS", "Queue: !GetAtt Q.Arn, BatchSize: 0"), "BatchSize 0"),
        (with_event("SQS", "Queue: !GetAtt Q.Arn, FilterCriteria: {}"), "FilterCriteria"),
        (
            with_event("SQS", "Queue: !GetAtt Q.Arn, ScalingConfig: { MaximumConcurrency: 1 }"),
            "MaximumConcurrency 1",
        ),
        (with_event("HttpApi", "Path: a, Method: GET"), "does not begin with a slash"),
        (with_event("HttpApi", "Path: '/{a+}/b', Method: GET"), "must be the last part"),
        (with_event("HttpApi", "Path: '/x{a}', Method: GET"), "neither a name nor a"),
        (with_event("HttpApi", "Path: /, Method: FETCH"), "'FETCH' is not an HTTP method"),
        (with_event("HttpApi", "PayloadFormatVersion: '1.0'"), "2.0 only"),
        (with_event("ScheduleV2", ""), "a schedule expression is needed"),
        *(
            (with_event("HttpApi", "ApiId: !Ref Api", api(authorizer)), message)
            for authorizer, message in [
                ("{ JwtConfiguration: {} }", "has Lambda authorizers only"),
                (lambda_authorizer(AuthorizerPayloadFormatVersion="'1.0'"), "must be 2.0"),
                (lambda_authorizer(EnableSimpleResponses="false"), "EnableSimpleResponses"),
                (lambda_authorizer(FunctionArn="!GetAtt Q.Arn"), "is not the Arn of an AWS::Serv"),
                (lambda_authorizer("{}"), "without Identity nothing can be kept"),
                (lambda_authorizer("{ ReauthorizeEvery: 3601 }"), "ReauthorizeEvery 3601"),
                (lambda_authorizer("{ StageVariables: [a] }"), "no stage variables"),
                (lambda_authorizer("{ Context: [accountId] }"), "Context 'accountId'"),
            ]
        ),
        (
            with_event("HttpApi", "ApiId: !Ref Api", api(lambda_authorizer(), "AWS_IAM")),
            "the authorizer 'AWS_IAM', which is no Lambda authorizer",
        ),
        ("Resources: { T: { Type: AWS::DynamoDB::Table } }", "has no AWS::DynamoDB::Table"),
        (
            "Resources: { B: { Type: AWS::S3::Bucket, Properties: "
            "{ NotificationConfiguration: { LambdaConfigurations: [] } } } }",
            "LambdaConfigurations is not supported",
        ),
        (
            "Resources:" + FUNCTION.format(extra="X: 1").replace("Command", "C"),
            "Command or Handler",
        ),
        (
            "Resources: { A: { Type: AWS::Serverless::HttpApi },"
            " B: { Type: AWS::Serverless::HttpApi } }",
            "serves one HTTP API",
        ),
    ],
)
def test_what_the_runtime_cannot_stand_in_for_is_an_error(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read(text)
    assert message in str(caught.value)


def test_what_needs_nothing_at_home_is_listed() -> None:
    text = "Resources: { P: { Type: AWS::SQS::QueuePolicy }, R: { Type: AWS::IAM::Role } }"
    assert read(text).ignored == ("P (AWS::SQS::QueuePolicy)", "R (AWS::IAM::Role)")


def test_nested_stacks_are_monitoring_and_are_listed() -> None:
    text = "Resources: { M: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: m } } }"
    assert read(text).ignored == ("M (AWS::CloudFormation::Stack)",)


def test_how_aws_deploys_permits_and_logs_a_function_is_not_asked_of_resources_home_lacks() -> None:
    extra = """
      AutoPublishAlias: live
      DeploymentPreference: { Alarms: [!GetAtt Alarms.Outputs.Errors] }
      LoggingConfig: { LogGroup: !GetAtt Logs.Arn }
      Policies: [{ Statement: [{ Resource: !GetAtt Database.Arn }] }]"""
    text = f"""
Resources:{FUNCTION.format(extra=extra.lstrip())}
  Alarms: {{ Type: AWS::CloudFormation::Stack }}
  Logs: {{ Type: AWS::Logs::LogGroup }}
  Database: {{ Type: AWS::DSQL::Cluster }}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties: {{ AccessLogSettings: {{ DestinationArn: !GetAtt Logs.Arn }} }}
"""
    (function,) = read(text).functions
    assert function.handler == "app.handler"


def test_an_environment_variable_cannot_come_from_a_resource_home_lacks() -> None:
    extra = "Environment: { Variables: { DATABASE: !GetAtt Database.Endpoint } }"
    text = f"Resources:{FUNCTION.format(extra=extra)}  Database: {{ Type: AWS::DSQL::Cluster }}"
    with pytest.raises(TemplateError, match="Database"):
        read(text)


def test_a_resource_whose_condition_is_false_is_left_out() -> None:
    text = """
Conditions: { Cloud: !Equals [a, b] }
Resources:
  T: { Type: AWS::DynamoDB::Table, Condition: Cloud }
Outputs:
  O: { Condition: Cloud, Value: !GetAtt T.Arn }
"""
    assert read(text).outputs == {}


def test_api_settings_are_read() -> None:
    text = (
        with_event("HttpApi", "Path: /, Method: GET, ApiId: !Ref Api")
        + """
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefaultRouteSettings: { ThrottlingBurstLimit: 2, ThrottlingRateLimit: 1 }
      RouteSettings: { "GET /": { ThrottlingBurstLimit: 4, ThrottlingRateLimit: 3 } }
      CorsConfiguration: { AllowOrigins: ["https://a"], AllowMethods: [get], MaxAge: 5 }
"""
    )
    api = read(text).api
    assert api.throttle == Throttle(1.0, 2)
    assert api.routes[0].throttle == Throttle(3.0, 4)
    assert api.cors == Cors(origins=("https://a",), methods=("GET",), max_age_s=5)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(TemplateError, match=r"/nowhere/template\.yaml"):
        TemplateSource.read(Path("/nowhere/template.yaml"))
