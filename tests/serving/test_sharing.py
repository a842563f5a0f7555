"""What is made for all who wait for it."""

import asyncio
import threading

import pytest

from access_exporter.serving.sharing import Shared
from tests.running_server import PATIENCE_SECONDS


class Maker:
    """Makes numbers, each when the test says so."""

    def __init__(self) -> None:
        self.made = 0
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)

    def __call__(self) -> int:
        self.begun.release()
        assert self.go_on.acquire(timeout=PATIENCE_SECONDS)
        self.made += 1
        return self.made


async def begun(maker: Maker) -> None:
    assert await asyncio.to_thread(maker.begun.acquire, timeout=PATIENCE_SECONDS)


def test_who_asks_while_one_is_made_shares_the_next() -> None:
    """Nobody gets what was begun before they asked, and however many ask, one more is made."""

    async def run() -> None:
        maker = Maker()
        shared = Shared(maker, "test")
        first = asyncio.create_task(shared.get())
        await begun(maker)
        others = [asyncio.create_task(shared.get()) for _ in range(50)]
        maker.go_on.release(2)
        assert await first == 1
        assert await asyncio.gather(*others) == [2] * 50
        maker.go_on.release()
        assert await shared.get() == 3

    asyncio.run(run())


def test_who_stops_waiting_stops_it_for_nobody() -> None:
    """What is being made goes on for others when one who waits for it is dropped."""

    async def run() -> None:
        maker = Maker()
        shared = Shared(maker, "test")
        dropped, other = (asyncio.create_task(shared.get()) for _ in range(2))
        await begun(maker)
        dropped.cancel()
        maker.go_on.release()
        assert await other == 1
        with pytest.raises(asyncio.CancelledError):
            await dropped

    asyncio.run(run())


def test_a_failure_is_of_those_who_waited() -> None:
    """A page that cannot be made fails for those who wait for it, and the next one is made."""

    async def run() -> None:
        failing = [True]

        def make() -> int:
            return 1 // (not failing.pop()) if failing else 7

        shared = Shared(make, "test")
        with pytest.raises(ZeroDivisionError):
            await shared.get()
        assert await shared.get() == 7

    asyncio.run(run())
