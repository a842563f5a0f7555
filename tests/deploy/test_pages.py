"""The status page in a real browser: on phone and desktop, in light and dark mode, with 1, 20 and 500 accounts."""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.deploy.chromium import Screen, Tab, chromium
from tests.deploy.pages import page, served
from tests.deploy.programs import axe, program

SCREENS = {
    "phone": Screen(390, 844, mobile=True),
    "desktop": Screen(1440, 900),
    "desktop-at-200%": Screen(720, 450),
    "phone-at-200%": Screen(195, 422, mobile=True),
}
SCHEMES = ("light", "dark")
SMALL = {
    f"/{number}-accounts{'-errors' * errors}": page(number, errors=errors, demo=number == 1 and not errors)
    for number, errors in product((1, 20), (False, True))
}
LARGE = {"/500-accounts": page(500, errors=False), "/500-accounts-errors": page(500, errors=True)}
VIOLATIONS = """axe.run(%s).then(results => results.violations.map(
  violation => `${violation.id}: ${violation.nodes[0].html} ${violation.nodes[0].failureSummary}`))"""
EVERYTHING = "{resultTypes: ['violations']}"
# The check of colours takes most of the time, and the smaller pages have the same colours.
ALL_BUT_COLOURS = "{resultTypes: ['violations'], rules: {'color-contrast': {enabled: false}}}"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(SMALL | LARGE | {"/refreshing": SMALL["/20-accounts"]}, {"/refreshing": 1}) as url:
        yield url


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(program("chromium"), tmp_path_factory.mktemp("profile")) as running:
        yield running


def show(tab: Tab, url: str, screen: str, scheme: str) -> None:
    """Open a page; if the environment variable SCREENSHOTS names a folder, save a screenshot there."""
    tab.open(url, SCREENS[screen], scheme)
    if folder := os.environ.get("SCREENSHOTS"):
        name = f"{url.rpartition('/')[2]}-{screen}-{scheme}.png"
        tab.screenshot(Path(folder) / name, whole="500" not in name)


def violations(tab: Tab, options: str = EVERYTHING) -> object:
    tab.evaluate(f"{axe()};0")
    return tab.evaluate(VIOLATIONS % options)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path", SMALL | LARGE)
def test_page_fits_its_screen(tab: Tab, address: str, path: str, screen: str) -> None:
    """The page needs no horizontal scrolling, even at a zoom of 200 %, and the browser logs no problem."""
    show(tab, address + path, screen, "light")
    assert tab.evaluate("document.documentElement.scrollWidth") == SCREENS[screen].width
    assert tab.complaints() == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("screen", ["phone", "desktop"])
@pytest.mark.parametrize("path", [path for path in SMALL if path != "/20-accounts"])
def test_axe_finds_no_violation(tab: Tab, address: str, path: str, screen: str, scheme: str) -> None:
    """axe-core reports no accessibility problem on the status page."""
    show(tab, address + path, screen, scheme)
    assert violations(tab) == []


def test_axe_finds_no_violation_among_500_accounts(tab: Tab, address: str) -> None:
    """axe-core reports no accessibility problem with 500 accounts if a third of them have failing polls."""
    show(tab, f"{address}/500-accounts-errors", "phone", "dark")
    assert violations(tab, ALL_BUT_COLOURS) == []


def test_failing_accounts_come_first(tab: Tab, address: str) -> None:
    """The status page lists accounts with failing polls first, with the reason of the failure."""
    show(tab, f"{address}/20-accounts-errors", "desktop", "dark")
    states = tab.evaluate("[...document.querySelectorAll('.lines a')].map(line => line.lastElementChild.innerText)")
    failing = ["failing" in state for state in states]
    assert failing == sorted(failing, reverse=True)
    assert states[0] == "1 of 3 failing: permission"


def test_a_name_in_an_account_is_never_markup(tab: Tab, address: str) -> None:
    """The browser shows an account name with `<` and `>` as text and not as an HTML element."""
    show(tab, f"{address}/20-accounts", "desktop", "light")
    assert tab.evaluate("document.querySelector('gmbh')") is None
    assert "Søns <GmbH>" in tab.evaluate("document.body.innerText")


def test_a_refresh_keeps_the_scroll_position(tab: Tab, address: str) -> None:
    """When the page refreshes itself, it keeps its scroll position."""
    show(tab, f"{address}/refreshing", "desktop", "light")
    tab.evaluate("scrollTo(0, 200); document.body.id = 'before'")
    tab.loaded()
    where = "new Promise(done => requestAnimationFrame(() => done([document.body.id, scrollY])))"
    assert tab.evaluate(where) == ["", 200]


def test_ages_keep_counting(tab: Tab, address: str) -> None:
    """Between two refreshes, the ages on the page keep counting without JavaScript."""
    show(tab, f"{address}/1-accounts", "desktop", "light")
    age = "document.querySelector('.when time')"
    assert tab.evaluate(f"getComputedStyle({age}, '::before').content") == "counter(age)"
    shown = f"getComputedStyle({age}).counterReset"
    tab.evaluate(f"{age}.getAnimations()[0].pause()")
    for milliseconds, seconds in ((0, 20), (999, 20), (65_000, 85)):
        assert tab.evaluate(f"{age}.getAnimations()[0].currentTime = {milliseconds}; {shown}") == f"age {seconds}"


def test_a_printed_age_has_its_time(tab: Tab, address: str) -> None:
    """A printed page shows the absolute time beside each age, has a white background and shows no links."""
    tab.open(f"{address}/1-accounts", SCREENS["desktop"], "dark", media="print")
    after = "getComputedStyle(document.querySelector('.when time'), '::after').content"
    assert "2026-09-21 14:13:00 UTC" in tab.evaluate(after)
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    links = "[...document.querySelectorAll('nav a, footer a')].filter(link => link.checkVisibility()).length"
    assert tab.evaluate(links) == 0


def test_bar_is_visible_in_forced_colors(tab: Tab, address: str) -> None:
    """In forced-colours mode, the bar of used seats has a different colour than its background."""
    tab.open(f"{address}/1-accounts", SCREENS["desktop"], "forced")
    used = "getComputedStyle(document.querySelector('.bar rect')).fill"
    track = "getComputedStyle(document.querySelector('.bar')).backgroundColor"
    assert tab.evaluate(used) != tab.evaluate(track)


def test_the_keyboard_reaches_every_account(tab: Tab, address: str) -> None:
    """After the links of the header, the Tab key moves the focus to each account in turn."""
    show(tab, f"{address}/20-accounts", "desktop", "light")
    for _ in range(4):
        tab.press_tab()
    focused = "document.activeElement.getAttribute('href')"
    first = tab.evaluate(focused)
    tab.press_tab()
    assert first.startswith("?account=")
    assert tab.evaluate(focused) != first
