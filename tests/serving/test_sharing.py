"""Work that is done once for several requests, such as making a page."""

import asyncio
import threading

import pytest

from access_exporter.serving.sharing import Shared
from tests.running_server import PATIENCE_SECONDS


class Maker:
    """Makes numbers; each is ready when the test says so."""

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


def test_requests_during_the_work_share_the_next_result() -> None:
    """Requests that arrive while a page is being made all share the next page, which is made once."""

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


def test_cancelled_request_does_not_stop_the_work() -> None:
    """If one of the waiting requests is cancelled, the others still get their page."""

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


def test_error_reaches_only_the_waiting_requests() -> None:
    """If a page cannot be made, the waiting requests fail, and the next request gets a new page."""

    async def run() -> None:
        failing = [True]

        def make() -> int:
            return 1 // (not failing.pop()) if failing else 7

        shared = Shared(make, "test")
        with pytest.raises(ZeroDivisionError):
            await shared.get()
        assert await shared.get() == 7

    asyncio.run(run())
