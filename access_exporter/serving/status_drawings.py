"""The drawings of the status page: the seats in use as a bar, and their history as a line."""

from access_exporter.polling import History

_WIDTH, _HEIGHT = 100, 20  # in units of the SVG


def bar(level: str, used: int, limit: int, attributes: str) -> str:
    """Return a bar of the seats in use. If they exceed the limit, a mark on the full bar shows the limit."""
    filled = min(used / limit, 1) * _WIDTH
    mark = f'<rect class="mark" x="{limit / used * _WIDTH:.1f}" width=".6" height="1"/>' if used > limit else ""
    return (
        f'<svg class="bar" {attributes} viewBox="0 0 {_WIDTH} 1" preserveAspectRatio="none">'
        f'<rect class="{level}" width="{filled:.1f}" height="1"/>{mark}</svg>'
    )


def line(history: History, attributes: str) -> str:
    """Return a number over time as a line, the lowest value at the bottom. A constant number is in the middle."""
    course = history.course()
    start, end = course[0][0], course[-1][0]
    height = history.highest - history.lowest
    points: list[tuple[int, int]] = []
    for time, number in course:
        x = round((time - start) / (end - start) * _WIDTH) if end > start else _WIDTH
        y = round((history.highest - number) / height * _HEIGHT) if height else _HEIGHT // 2
        if len(points) > 1 and points[-1][1] == points[-2][1] == y:
            points.pop()  # two points are enough while the number does not change
        points.append((x, y))
    drawn = " ".join(f"{x},{y}" for x, y in points)
    view = f"-1 -2 {_WIDTH + 2} {_HEIGHT + 4}"
    return (
        f'<svg class="course" {attributes} viewBox="{view}" preserveAspectRatio="none">'
        f'<polyline points="{drawn}"/></svg>'
    )


def words(history: History) -> str:
    """Return the lowest and the highest number, such as `38–44`."""
    low, high = history.lowest, history.highest
    return f"{low:,.0f}" if low == high else f"{low:,.0f}–{high:,.0f}"


def seconds(history: History) -> float:
    """Return the seconds that the history covers, or 0 if it is empty."""
    course = history.course()
    return course[-1][0] - course[0][0] if course else 0
