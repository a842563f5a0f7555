from benchmarks import soak


def test_some_hundred_polls() -> None:
    """Through faults at random and reloads no number is wrong, and no thread and no open file is left behind."""
    seen = soak.run(polls=400, warm_up=200)
    assert seen.failed > 20
    assert seen.wrong == 0
    assert seen.most.threads == seen.warm.threads
    assert seen.most.files - seen.warm.files <= soak.MOST_GROWTH.files
