"""Search in a real Chromium: by keyboard, into the chart, and through the answer."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import Browser
from tests.e2e.filled_site import GUARD, FilledSite

pytestmark = pytest.mark.browser

_BARS = """
return [...document.querySelectorAll("[data-chart] svg a")].flatMap(
  (bar, at) => (bar.querySelector(".bar") ? [at] : []));
"""
_COLOUR = "return getComputedStyle(arguments[0]).color"


@pytest.fixture
def guard(browser: Browser, filled_site: FilledSite) -> Browser:
    browser.sign_in(filled_site.hub, GUARD)
    return browser


def test_a_car_is_found_by_a_part_of_its_plate_by_keyboard(
    guard: Browser, filled_site: FilledSite
) -> None:
    url = filled_site.hub.url
    guard.open(f"{url}/search?kind=vehicle")
    part = guard.find(".card .plate").text[-3:]
    guard.open(f"{url}/search")
    guard.find('[name="plate"]').send_keys(part, Keys.ENTER)
    guard.wait_until(
        lambda: guard.driver.current_url == f"{url}/search?plate={quote(part)}#answer",
        "fields that were left empty are in the address",
    )
    plates = [one.text for one in guard.find_all(".card .plate")]
    assert plates
    assert all(part in plate for plate in plates)
    guard.find(".card-link").send_keys(Keys.ENTER)
    guard.find("#record-dialog[open] h1")
    assert parse_qs(urlsplit(guard.driver.current_url).query) == {"plate": [part], "in": ["search"]}
    older = guard.find('[data-step="older"]').get_attribute("href") or ""
    if older != guard.driver.current_url and "/records/" in older:
        ActionChains(guard.driver).send_keys(Keys.ARROW_RIGHT).perform()
        guard.wait_until(lambda: guard.driver.current_url == older, "the arrow leads nowhere")
        assert part in guard.find("#record-dialog .plate").text
    ActionChains(guard.driver).send_keys(Keys.ESCAPE).perform()
    guard.wait_until(lambda: "/search?" in guard.driver.current_url, "it does not close")
    assert guard.console_errors() == []


def test_vehicles_are_found_by_the_colour_of_their_plate_by_keyboard(
    guard: Browser, filled_site: FilledSite
) -> None:
    url = filled_site.hub.url
    guard.open(f"{url}/search")
    summary = next(
        one for one in guard.find_all(".search-attributes > summary") if one.text == "Vehicle"
    )
    assert not guard.find_all('[name="plate_colour"]')[0].is_displayed()
    summary.send_keys(Keys.ENTER)
    blue = guard.find('[name="plate_colour"][value="blue"]')
    blue.send_keys(Keys.SPACE)
    guard.find('[name="car_type"]').send_keys("SUV")
    guard.find('[name="car_type"]').send_keys(Keys.ENTER)
    blue.send_keys(Keys.ENTER)
    guard.wait_until(
        lambda: (
            parse_qs(urlsplit(guard.driver.current_url).query)
            == {"car_type": ["SUV"], "plate_colour": ["blue"]}
        ),
        "the address has not what was chosen",
    )
    found = [one.text.split("\n")[0] for one in guard.find_all(".search-chips .chip")]
    assert found[:2] == ["Vehicle type: SUV", "Plate colour: Blue"]
    guard.find(".search-chips .chip").click()
    guard.wait_until(
        lambda: guard.driver.current_url == f"{url}/search?plate_colour=blue",
        "the filter stays",
    )
    guard.find(".card-link").send_keys(Keys.ENTER)
    guard.find("#record-dialog[open] h1")
    more = guard.find('#record-dialog .facts a[href^="/search?car_type="]')
    kind = more.text
    more.send_keys(Keys.ENTER)
    guard.wait_until(lambda: guard.has_text(f"Vehicle type: {kind}"), "nothing like it is found")
    assert guard.find_all(".card")
    assert guard.console_errors() == []


def test_the_chart_zooms_by_dragging_and_by_keys(guard: Browser, filled_site: FilledSite) -> None:
    guard.open(f"{filled_site.hub.url}/search?kind=face")
    guard.find("[data-chart] a[tabindex='0']")
    at = guard.driver.execute_script(_BARS)[-1]
    count = len(guard.find_all("[data-chart] svg a"))
    svg = guard.find("[data-chart] svg")
    width = svg.size["width"] / count
    # Offsets are from the middle of the element.
    first, last = (int((n + 0.5 - count / 2) * width) for n in (max(at - 2, 0), at))
    drag = ActionChains(guard.driver).move_to_element_with_offset(svg, first, 0).click_and_hold()
    drag.move_to_element_with_offset(svg, last, 0).perform()
    assert len(guard.find_all("[data-chart] a.chosen")) == at - max(at - 2, 0) + 1
    ActionChains(guard.driver).release().perform()
    guard.wait_until(lambda: "since=" in guard.driver.current_url, "it does not zoom in")
    asked = parse_qs(urlsplit(guard.driver.current_url).query)
    assert set(asked) == {"kind", "since", "until"}
    assert guard.find(".card-face")
    guard.find("[data-chart] a[tabindex='0']").send_keys(Keys.END)
    last_bar = guard.driver.switch_to.active_element
    assert last_bar == guard.find_all("[data-chart] svg a")[-1]
    last_bar.send_keys("-")
    guard.wait_until(
        lambda: parse_qs(urlsplit(guard.driver.current_url).query)["since"] < asked["since"],
        "it does not zoom out",
    )
    guard.find("[data-chart] a[tabindex='0']").send_keys(Keys.ARROW_RIGHT, Keys.ENTER)
    guard.wait_until(
        lambda: (
            parse_qs(urlsplit(guard.driver.current_url).query)["since"] > asked["since"]
            or guard.has_text("Nothing found")
        ),
        "a bar does not open",
    )
    assert guard.console_errors() == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (1366, 768)])
def test_the_first_results_are_in_the_first_screen(
    guard: Browser, filled_site: FilledSite, language: str, width: int, height: int
) -> None:
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    guard.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    cookie = {"name": "sitehub_language", "value": language, "path": "/"}
    guard.driver.add_cookie(cookie)
    for query in ("", "?kind=face", "?when=week&gender=male&gender=female", "?name=a"):
        guard.open(f"{filled_site.hub.url}/search{query}")
        assert guard.find("[data-chart]").is_displayed()
        assert guard.find("#answer .card").location["y"] < 500, query


def test_on_a_phone_a_search_leads_to_what_was_found(
    guard: Browser, filled_site: FilledSite
) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    guard.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    guard.open(f"{filled_site.hub.url}/search?kind=face")
    top = "return document.querySelector('#answer').getBoundingClientRect().top"
    assert guard.driver.execute_script(top) > 400
    guard.click(".search-form .button-main")
    guard.wait_until(lambda: guard.driver.execute_script(top) < 200, "the form is in the way")
    assert guard.driver.execute_script("return document.documentElement.scrollWidth") <= 390


def test_what_was_found_is_not_behind_the_lines_about_alarms(
    guard: Browser, filled_site: FilledSite
) -> None:
    guard.open(f"{filled_site.hub.url}/search?kind=face#answer")
    guard.find("#alarm-state .notice")
    bounds = """
    const bottom = (selector) => document.querySelector(selector).getBoundingClientRect().bottom;
    const { top } = document.querySelector("#answer").getBoundingClientRect();
    return [window.scrollY, bottom(".notices"), top];
    """
    scrolled, notices, answer = guard.driver.execute_script(bounds)
    assert scrolled > 0
    assert notices <= answer < notices + 100


def test_an_answer_is_not_taken_for_that_of_a_question_that_changed(
    guard: Browser, filled_site: FilledSite
) -> None:
    guard.open(f"{filled_site.hub.url}/search?kind=face")
    changed = "The filters have changed."
    assert not guard.has_text(changed)
    choose = "document.querySelector(arguments[0]).click()"
    guard.wait_until(
        lambda: (
            guard.driver.execute_script(choose, '[name="when"][value="today"]')
            or guard.driver.execute_script(choose, '[name="when"][value="yesterday"]')
            or guard.has_text(changed)
        ),
        "it looks as if only yesterday was shown",
    )


def test_of_several_answers_to_when_the_last_one_counts(
    guard: Browser, filled_site: FilledSite
) -> None:
    guard.open(f"{filled_site.hub.url}/search?when=yesterday&did=1&did=2")
    value = "return document.querySelector(arguments[0]).value"
    change = """
    const field = document.querySelector(arguments[0]);
    field.value = arguments[1];
    field.dispatchEvent(new Event("change", { bubbles: true }));
    """
    guard.wait_until(
        lambda: (
            guard.driver.execute_script(change, '[name="day"]', "2026-11-20")
            or guard.driver.execute_script(value, '[name="when"]:checked') == ""
        ),
        "a day does not replace yesterday",
    )
    guard.click('label:has([name="when"][value="week"])')
    assert guard.driver.execute_script(value, '[name="day"]') == ""
    # "About 15:00" is of one day: of today, and never of a week.
    guard.driver.execute_script(change, '[name="around"]', "15:00")
    assert guard.driver.execute_script(value, '[name="when"]:checked') == "today"
    guard.click('label:has([name="when"][value="yesterday"])')
    assert guard.driver.execute_script(value, '[name="around"]') == "15:00"
    guard.click('label:has([name="when"][value="week"])')
    assert guard.driver.execute_script(value, '[name="around"]') == ""
    guard.driver.execute_script(change, '[name="where"]', "did-3")
    assert guard.find_all("[data-several] input:checked") == []
    guard.click(".search-form .button-main")
    guard.wait_until(
        lambda: guard.driver.current_url.endswith("/search?when=week&did=3#answer"),
        "it asks for something else",
    )
    assert guard.console_errors() == []


def test_what_is_printed_is_dark_on_white_and_the_page_without_its_frame(
    guard: Browser, filled_site: FilledSite
) -> None:
    url, driver = filled_site.hub.url, guard.driver
    guard.open(f"{url}/search?kind=face")
    record = guard.find(".card-link").get_attribute("href") or ""
    driver.add_cookie({"name": "sitehub_theme", "value": "dark", "path": "/"})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        paths = ("/search/export/print?kind=face", "/reports/captures", "/alarms")
        for page in (record, *(url + path for path in paths)):
            guard.open(page)
            guard.find("html[data-theme='dark']")
            colour = driver.execute_script(_COLOUR, guard.find("main h1"))
            assert max(map(int, re.findall(r"\d+", colour))) < 64, (page, colour)
            frame = guard.find_all(".rail, .skip, .notices, .tabs, .actions, .record-steps")
            assert frame
            assert [one.get_attribute("class") for one in frame if one.is_displayed()] == []
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        driver.delete_cookie("sitehub_theme")
