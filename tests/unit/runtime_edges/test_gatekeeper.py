"""What the gateway remembers of an authorizer's answers, and for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from hearth_runtime.engine.functions import PayloadTooLarge, TooManyRequests
from hearth_runtime.http.authorizer import LOCAL_OWNER, Gatekeeper, Refused
from hearth_runtime.http.calls import Calls
from hearth_runtime.http.routing import Match
from hearth_runtime.template.model import Authorizer, Route
from tests.unit.runtime_edges.fakes import Answer, FakeEngine, MemoryLogs, failure

HEADER = "$request.header.Authorization"
YES = b'{"isAuthorized": true, "context": {"principal_id": "u1"}}'
NO = b'{"isAuthorized": false}'


class Door:
    """A gatekeeper with a clock that a test moves."""

    def __init__(self, *answers: Answer, **given: Any) -> None:
        self.time = 0.0
        self.engine = FakeEngine(*answers)
        self.logs = MemoryLogs()
        self.registry = CollectorRegistry()
        self.keeper = Gatekeeper(
            Calls(self.engine),
            self.logs,
            self.registry,
            region="eu-west-1",
            account="123456789012",
            now=lambda: self.time,
            **given,
        )

    async def knock(
        self,
        shown: str | None = "t",
        *,
        sources: tuple[str, ...] = (HEADER,),
        ttl_s: int = 60,
        route: str = "/a",
        name: str = "A",
        **query: str,
    ) -> Any:
        guard = Authorizer(name, "authorizer", sources, ttl_s)
        event = {
            "version": "2.0",
            "routeKey": f"GET {route}",
            "rawPath": route,
            "headers": {} if shown is None else {"authorization": shown},
            "queryStringParameters": query,
            "requestContext": {
                "requestId": "r1",
                "routeKey": f"GET {route}",
                "stage": "$default",
                "http": {"method": "GET", "path": route},
            },
            "isBase64Encoded": False,
        }
        match = Match(Route("f", "GET", route, authorizer=guard))
        return await self.keeper.admit(match, event, is_local=False)

    def asked(self) -> int:
        return len(self.engine.events)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


async def refused(knock: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        await knock
    return caught.value.status, caught.value.message


def test_an_answer_is_kept_for_its_time_and_not_longer() -> None:
    async def story() -> None:
        door = Door(YES)
        for _ in range(3):
            assert await door.knock() == {"principal_id": "u1"}
        assert door.asked() == 1
        door.time = 59.9
        await door.knock()
        assert door.asked() == 1
        door.time = 60.0
        await door.knock()
        assert door.asked() == 2

    run(story)


def test_a_refusal_is_kept_as_well() -> None:
    async def story() -> None:
        door = Door(NO)
        for _ in range(2):
            assert await refused(door.knock()) == (403, "Forbidden")
        assert door.asked() == 1

    run(story)


def test_answers_are_kept_by_what_the_caller_shows() -> None:
    async def story() -> None:
        door = Door(YES)
        await door.knock("a")
        await door.knock("b")
        await door.knock("a", name="B")  # another authorizer
        assert door.asked() == 3
        await door.knock("a", route="/other")  # the route is no part of it
        assert door.asked() == 3

    run(story)


def test_the_route_counts_where_the_template_names_it() -> None:
    async def story() -> None:
        door = Door(YES)
        sources = (HEADER, "$context.routeKey", "$request.querystring.k")
        await door.knock(sources=sources, k="1")
        await door.knock(sources=sources, k="1", route="/other")
        await door.knock(sources=sources, k="2")
        await door.knock(sources=sources, k="1")
        assert door.asked() == 3
        assert door.engine.events[0]["identitySource"] == ["t", "GET /a", "1"]
        assert await refused(door.knock(sources=sources)) == (401, "Unauthorized")

    run(story)


def test_two_parts_of_what_is_shown_cannot_be_shifted_into_each_other() -> None:
    async def story() -> None:
        door = Door(YES)
        sources = (HEADER, "$request.querystring.k")
        await door.knock('a","b', sources=sources, k="c")
        await door.knock("a", sources=sources, k='b","c')
        assert door.asked() == 2

    run(story)


def test_the_oldest_answers_are_forgotten_first() -> None:
    async def story() -> None:
        door = Door(YES, kept_answers=2)
        for token in ("a", "b", "c"):
            await door.knock(token)
        await door.knock("c")
        await door.knock("b")
        assert door.asked() == 3
        await door.knock("a")
        assert door.asked() == 4

    run(story)


def test_without_a_time_every_request_asks() -> None:
    async def story() -> None:
        door = Door(YES)
        for _ in range(3):
            await door.knock(ttl_s=0)
        assert door.asked() == 3

    run(story)


@pytest.mark.parametrize("token", [None, ""])
def test_who_shows_nothing_is_turned_away_unasked(token: str | None) -> None:
    async def story() -> None:
        door = Door(YES)
        assert await refused(door.knock(token)) == (401, "Unauthorized")
        assert door.asked() == 0

    run(story)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (failure('{"errorMessage": "Unauthorized", "errorType": "Exception"}'), 401),
        (failure('{"errorMessage": "unauthorized"}'), 500),
        (failure('{"errorMessage": "Unauthorized: expired"}'), 500),
        (failure('["Unauthorized"]'), 500),
        (failure("Unauthorized"), 500),
        (TooManyRequests("full"), 500),
        (PayloadTooLarge("large"), 500),
        (b"", 500),
        (b"true", 500),
        (b'{"isAuthorized": "true"}', 500),
        (b'{"isAuthorized": null}', 500),
        (b'{"isAuthorized": true, "context": []}', 500),
        (b'{"principalId": "u", "policyDocument": {}}', 500),
    ],
)
def test_anything_but_an_answer_is_a_failure_of_ours_and_not_kept(
    answer: Answer, status: int
) -> None:
    async def story() -> None:
        door = Door(answer, YES)
        assert (await refused(door.knock()))[0] == status
        assert await door.knock() == {"principal_id": "u1"}
        failures = [record for record in door.logs.records if record["level"] == "ERROR"]
        assert len(failures) == (1 if status == 500 else 0)
        assert "t" not in [record.get("error") for record in failures]

    run(story)


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def story() -> None:
        released = asyncio.Event()

        async def slow(_: dict[str, Any]) -> bytes:
            await released.wait()
            return YES

        door = Door(slow, ask_timeout_s=0.01)
        assert await refused(door.knock()) == (500, "Internal Server Error")
        released.set()
        await asyncio.sleep(0)

    run(story)


def test_an_answer_without_a_context_tells_nothing() -> None:
    async def story() -> None:
        assert await Door(b'{"isAuthorized": true}').knock() is None

    run(story)


def test_the_owner_and_routes_without_an_authorizer_are_not_asked_about() -> None:
    async def story() -> None:
        door = Door(NO)
        guarded = Match(Route("f", "GET", "/a", authorizer=Authorizer("A", "f", (HEADER,))))
        public = Match(Route("f", "GET", "/b", public=True))
        assert await door.keeper.admit(guarded, {}, is_local=True) == LOCAL_OWNER
        assert await door.keeper.admit(public, {}, is_local=True) == LOCAL_OWNER
        assert await door.keeper.admit(public, {}, is_local=False) is None
        assert door.asked() == 0

    run(story)


def test_the_question_names_the_route_as_api_gateway_does() -> None:
    async def story() -> None:
        door = Door(YES)
        await door.knock()
        (question,) = door.engine.events
        arn = "arn:aws:execute-api:eu-west-1:123456789012:local/$default/GET/a"
        assert (question["type"], question["routeArn"]) == ("REQUEST", arn)
        assert "isBase64Encoded" not in json.dumps(question)

    run(story)
