from benchmarks import soak


def test_hundreds_of_polls() -> None:
    """With random faults and reloads, 400 polls give no wrong number, and leave no thread and no open file behind."""
    seen = soak.run(polls=400, warm_up=200)
    assert seen.failed > 20
    assert seen.wrong == 0
    assert seen.most.threads == seen.warm.threads
    assert seen.most.files - seen.warm.files <= soak.MOST_GROWTH.files
