"""What all functions take together: idle ones make room, busy ones are waited for."""

from __future__ import annotations

import asyncio

from tests.support.engines import Harness, spec, started, until


def three(**changes: float) -> list[object]:
    return [spec(name, module="behaviour", memory_mb=200, **changes) for name in ("a", "b", "c")]


def awake(harness: Harness) -> dict[str, int]:
    return {one.short_name: sum(one.instances.values()) for one in harness.engine.status()}


def at_rest(harness: Harness) -> bool:
    pools = harness.engine._supervisors
    return all(instance.idle for pool in pools for instance in pool.instances)


def waits(harness: Harness) -> list[str]:
    return [one["function"] for one in harness.records() if "it waits for" in one["message"]]


def test_the_longest_unused_makes_room_for_the_next() -> None:
    async def scenario() -> None:
        async with started(*three(), memory_mb=400) as harness:
            for name in ("a", "b", "a", "c"):
                # An instance that has answered is idle when it asks for more, a moment later.
                await until(lambda: at_rest(harness))
                assert await harness.call(name, n=1) == {"n": 1}
            assert awake(harness) == {"a": 1, "b": 0, "c": 1}
            assert waits(harness) == ["c"]

    asyncio.run(scenario())


def test_what_is_busy_is_waited_for_and_never_ended() -> None:
    async def scenario() -> None:
        async with started(*three(), memory_mb=400) as harness:
            busy = [
                asyncio.create_task(harness.call(name, do="sleep", seconds=1))
                for name in ("a", "b")
            ]
            await until(lambda: awake(harness) == {"a": 1, "b": 1, "c": 0})
            third = asyncio.create_task(harness.call("c", n=3))
            await asyncio.sleep(0.3)
            assert awake(harness) == {"a": 1, "b": 1, "c": 0}
            assert await third == {"n": 3}
            assert all("slept" in answer for answer in await asyncio.gather(*busy))

    asyncio.run(scenario())


def test_what_would_not_be_enough_is_not_ended() -> None:
    async def scenario() -> None:
        functions = [*three(), spec("large", module="behaviour", memory_mb=400)]
        async with started(*functions, memory_mb=400) as harness:
            await harness.call("a", n=1)
            busy = asyncio.create_task(harness.call("b", do="sleep", seconds=0.6))
            await until(lambda: awake(harness)["b"] == 1)
            large = asyncio.create_task(harness.call("large", n=4))
            await asyncio.sleep(0.3)
            assert awake(harness) == {"a": 1, "b": 1, "c": 0, "large": 0}
            assert await large == {"n": 4}
            assert awake(harness) == {"a": 0, "b": 0, "c": 0, "large": 1}
            await busy

    asyncio.run(scenario())


def test_many_callers_of_all_functions_get_their_answers_within_the_budget() -> None:
    async def scenario() -> None:
        most = 0

        async def look(harness: Harness) -> None:
            nonlocal most
            while True:
                most = max(most, sum(awake(harness).values()))
                await asyncio.sleep(0.005)

        replicas = {"a": 2, "b": 2, "c": 2}
        async with started(*three(), memory_mb=600, replicas=replicas) as harness:
            looking = asyncio.create_task(look(harness))
            calls = [harness.call(name, n=n) for n in range(20) for name in ("a", "b", "c")]
            assert [one["n"] for one in await asyncio.gather(*calls)] == [
                n for n in range(20) for _ in range(3)
            ]
            looking.cancel()
        assert 1 <= most <= 3

    asyncio.run(scenario())
