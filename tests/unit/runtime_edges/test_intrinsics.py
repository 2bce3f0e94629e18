"""CloudFormation's intrinsic functions: what each resolves to, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from hearth_runtime.template.intrinsics import Resolver, TemplateError, load_yaml

RESOLVER = Resolver(
    refs={
        "Name": "gate",
        "Empty": "",
        "List": ["a", "b"],
        "AWS::Region": "eu-west-1",
        "AWS::StackName": "hearth",
        "Queue": "http://sqs/queue",
    },
    attributes={"Queue": {"Arn": "arn:queue", "QueueName": "queue"}},
    mappings={"Sizes": {"small": {"memory": 128}}},
    conditions={
        "Always": {"Fn::Equals": ["a", "a"]},
        "Never": {"Fn::Not": [{"Condition": "Always"}]},
        "Both": {"Fn::And": [{"Condition": "Always"}, {"Condition": "Never"}]},
        "Either": {"Fn::Or": [{"Condition": "Always"}, {"Condition": "Never"}]},
        "NoName": {"Fn::Equals": [{"Ref": "Empty"}, ""]},
        "Circle": {"Fn::Not": [{"Condition": "Circle"}]},
        "Odd": "yes",
    },
)


def resolve(text: str) -> Any:
    return RESOLVER.resolve(load_yaml(f"value: {text}", "t")["value"], "Here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ("[]", []),
        ("plain", "plain"),
        ("2010-09-09", "2010-09-09"),
        ("!Ref Name", "gate"),
        ("!Ref AWS::Region", "eu-west-1"),
        ("[1, !Ref AWS::NoValue, 2]", [1, 2]),
        ("{a: !Ref AWS::NoValue, b: 1}", {"b": 1}),
        ("!GetAtt Queue.Arn", "arn:queue"),
        ("{'Fn::GetAtt': [Queue, Arn]}", "arn:queue"),
        ("!Sub ''", ""),
        ("!Sub 'no variable'", "no variable"),
        ("!Sub '${AWS::StackName}-${Name}'", "hearth-gate"),
        ("!Sub '${Queue.Arn}/*'", "arn:queue/*"),
        ("!Sub '${!Literal} ${Name}'", "${Literal} gate"),
        ("!Sub ['${x}-${Name}', {x: !Ref AWS::Region}]", "eu-west-1-gate"),
        ("!Join ['', []]", ""),
        ("!Join ['-', [a, !Ref Name, 3]]", "a-gate-3"),
        ("!Join [',', !Ref List]", "a,b"),
        ("!Split [',', 'a,b,']", ["a", "b", ""]),
        ("!Select [1, !Split [',', 'a,b']]", "b"),
        ("!Select ['0', !Ref List]", "a"),
        ("!If [Always, yes it is, !Ref Missing]", "yes it is"),
        ("!If [Never, !Ref Missing, other]", "other"),
        ("!If [Both, 1, 2]", 2),
        ("!If [Either, 1, 2]", 1),
        ("!If [NoName, 1, 2]", 1),
        ("{a: !If [Never, 1, !Ref AWS::NoValue]}", {}),
        ("!FindInMap [Sizes, small, memory]", 128),
        ("!Base64 hi", "aGk="),
        ("{Condition: Always}", {"Condition": "Always"}),
    ],
)
def test_it_resolves_as_cloudformation_does(text: str, expected: Any) -> None:
    assert resolve(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!Ref Missing", "'Missing' is neither a parameter nor a resource"),
        ("!GetAtt Missing.Arn", "'Missing' is not a resource"),
        ("!GetAtt Queue.Colour", "Queue.Colour is not known"),
        ("!GetAtt Queue", "a list of 2 items"),
        ("!Sub '${Missing}'", "'Missing'"),
        ("!Sub '${List}'", "not a single value"),
        ("!Sub [1, 2]", "Fn::Sub takes"),
        ("!Join [1]", "a list of 2 items"),
        ("!Join ['-', text]", "Fn::Join takes"),
        ("!Select [2, !Ref List]", "no item 2"),
        ("!Select [-1, !Ref List]", "no item -1"),
        ("!If [Unknown, 1, 2]", "Condition 'Unknown' is not defined"),
        ("!If [Circle, 1, 2]", "depends on itself"),
        ("!If [Odd, 1, 2]", "'yes' is not a condition"),
        ("!FindInMap [Sizes, large, memory]", "no Sizes.large.memory"),
        ("!ImportValue other-stack", "Fn::ImportValue is not supported"),
        ("{'Fn::Transform': {}}", "Fn::Transform is not supported"),
    ],
)
def test_what_cannot_be_resolved_names_the_place_or_the_name(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=r"Here|Condition") as caught:
        resolve(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "just text", "[1]", "a: [", "a: {b: !Sub [}"])
def test_a_file_that_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateError, match=r"broken\.yaml is not"):
        load_yaml(text, "broken.yaml")


def test_yaml_cannot_create_python_objects() -> None:
    with pytest.raises(TemplateError):
        load_yaml("a: !!python/object/apply:os.getcwd []", "t")
