"""The browser tracker and its plugins, unmodified, in a headless Chromium on a page of another origin."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pipeline import Pipeline, eventually
from selenium import webdriver
from selenium.webdriver.common.by import By

pytestmark = pytest.mark.journey
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
)


class Pages(http.server.SimpleHTTPRequestHandler):
    """The page and the packages of npm, nothing else."""

    def translate_path(self, path: str) -> str:
        here = Path(__file__).parent
        path = path.partition("?")[0]
        return str(here / "node_modules" / path.lstrip("/") if path.startswith("/@snowplow/") else here / "page.html")

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def site(javascript_trackers: Path) -> Iterator[str]:
    """Origin of the pages: another port than the collector's, so another origin."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Pages))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A fresh profile for each journey."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    running = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield running
    running.quit()


class Visit:
    """One page on the screen, and what its tracker did."""

    def __init__(self, browser: webdriver.Chrome, pipeline: Pipeline, site: str, **query: str) -> None:
        self._browser = browser
        browser.get(f"{site}/?" + urlencode({"collector": pipeline.url, **query}))

    def sent(self) -> list[dict[str, str]]:
        events = self._browser.execute_script("return window.sent")
        assert isinstance(events, list)
        return events

    def id_of(self, marker: str) -> str:
        """Id of the first event whose payload holds the text."""
        return str(eventually(lambda: [event for event in self.sent() if marker in event["text"]], 20, what=marker)[0]["id"])

    def settled(self) -> list[Any]:
        """Answers of the collector, once as many as events left."""
        question = "return window.answers.length >= window.sent.length ? window.answers : null"
        answers = eventually(lambda: self._browser.execute_script(question), 20, what="every event answered")
        assert isinstance(answers, list)
        return answers


@pytest.mark.parametrize("method", ["post", "get"])
def test_everything_a_page_tracks(browser: webdriver.Chrome, pipeline: Pipeline, site: str, method: str) -> None:
    visit = Visit(browser, pipeline, site, method=method)
    view = visit.id_of('"e":"pv"')
    browser.execute_script("window.scrollTo(0, 700)")
    ping = visit.id_of('"e":"pp"')
    browser.find_element(By.ID, "next").click()
    click = visit.id_of("link_click/")
    browser.find_element(By.ID, "mail").send_keys("someone")
    browser.find_element(By.ID, "send").click()
    change, submit = visit.id_of("change_form/"), visit.id_of("submit_form/")
    browser.execute_script("trackGadget(); trackCart()")
    gadget, cart = visit.id_of("gadget_used/"), visit.id_of("snowplow_ecommerce_action/")
    assert set(visit.settled()) == {"accepted"}

    rows = pipeline.rows([view, ping, click, change, submit, gadget, cart])
    first = rows[view]
    assert first["event"] == "page_view"
    assert first["app_id"] == "journey-web"
    assert first["page_title"] == "Journey"
    assert first["page_urlhost"] == "127.0.0.1"
    assert first["br_cookies"] is True
    assert first["doc_charset"] == "UTF-8"
    assert first["br_viewwidth"] > 0
    assert first["contexts_com_snowplowanalytics_snowplow_web_page_1"][0]["id"]
    assert len({row["domain_userid"] for row in rows.values()}) == 1
    assert len({row["network_userid"] for row in rows.values()}) == 1, "the collector's cookie came back"

    assert rows[ping]["event"] == "page_ping"
    assert rows[ping]["pp_yoffset_max"] >= 0
    link = rows[click]["unstruct_event_com_snowplowanalytics_snowplow_link_click_1"]
    assert (link["element_id"], link["element_classes"], link["element_target"]) == ("next", ["card", "link"], "_self")
    assert link["target_url"].endswith("#next")
    changed = rows[change]["unstruct_event_com_snowplowanalytics_snowplow_change_form_1"]
    assert (changed["form_id"], changed["element_id"], changed["value"]) == ("newsletter", "mail", "someone")
    submitted = rows[submit]["unstruct_event_com_snowplowanalytics_snowplow_submit_form_1"]
    assert submitted["form_id"] == "newsletter"
    assert {element["name"]: element["value"] for element in submitted["elements"]} == {"mail": "someone", "size": "S"}
    assert rows[gadget]["unstruct_event_com_journey_gadget_used_1"]["rpm"] == 1200
    assert [user["plan"] for user in rows[gadget]["contexts_com_journey_user_1"]] == ["gold", "iron"]
    action = rows[cart]["unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"]
    assert action["type"] == "add_to_cart"
    (product,) = rows[cart]["contexts_com_snowplowanalytics_snowplow_ecommerce_product_1"]
    assert (product["id"], product["quantity"], float(product["price"])) == ("MUG-2", 2, 8.5)


def test_the_cookie_survives_a_second_page(browser: webdriver.Chrome, pipeline: Pipeline, site: str) -> None:
    first = Visit(browser, pipeline, site, quiet="1")
    first_view = first.id_of('"e":"pv"')
    first.settled()
    second = Visit(browser, pipeline, site, quiet="1", page="2")
    second_view = second.id_of('"e":"pv"')
    second.settled()
    rows = pipeline.rows([first_view, second_view])
    assert first_view != second_view
    assert rows[first_view]["network_userid"] == rows[second_view]["network_userid"]
    cookies = browser.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]
    (cookie,) = [cookie for cookie in cookies if cookie["name"] == "sp"]
    assert cookie["value"] == rows[first_view]["network_userid"]
    assert cookie["httpOnly"]
    assert cookie["secure"]


@pytest.mark.parametrize("method", ["post", "get"])
def test_anonymous_tracking_leaves_no_trace_of_the_visitor(
    browser: webdriver.Chrome, pipeline: Pipeline, site: str, method: str
) -> None:
    visit = Visit(browser, pipeline, site, quiet="1", anonymous="1", method=method)
    view = visit.id_of('"e":"pv"')
    assert set(visit.settled()) == {"accepted"}
    row = pipeline.row(view)
    assert row["network_userid"] == "00000000-0000-0000-0000-000000000000"
    assert row["domain_userid"] is None
    assert row["user_ipaddress"] in (None, "unknown")
    assert [cookie["name"] for cookie in browser.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]] == []


def test_raw_payloads_hold_what_the_browser_said(pipeline: Pipeline) -> None:
    if pipeline.flags:
        pytest.skip("Pub/Sub does not keep what was read")
    payloads = [json.loads(line) for line in pipeline.tail("raw")]
    agents = {payload.get("user_agent", "") for payload in payloads}
    assert any("HeadlessChrome" in agent or "Chrome/" in agent for agent in agents)
