"""Visitors of an invented shop, as tracker-protocol events. The same seed makes the same events and ids; timestamps differ.

Parameters are those the JavaScript tracker sends. A broken event keeps its id and platform, so that it ends as one row in
`failed_events` rather than spoiling its whole request.
"""

import base64
import json
import random
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from snowmelt import shop

SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
ACME = "iglu:com.acme"
_LIVE_SESSIONS = 8
_LARGEST_BATCH = 10
_GET_SHARE = 0.15

Parameters = dict[str, str]


class Batch(NamedTuple):
    """What one visitor's tracker sends in one request. A GET holds one event."""

    method: str
    agent: str
    address: str
    events: list[Parameters]


def batches(seed: int, count: int, broken: float = 0.0) -> Iterator[Batch]:
    """`count` events in total (0: without end), about the fraction `broken` of them broken."""
    chance = random.Random(seed)
    live = [Session(chance) for _ in range(_LIVE_SESSIONS)]
    left = count
    while left > 0 or count == 0:
        place = chance.randrange(len(live))
        session = live[place]
        method = "GET" if chance.random() < _GET_SHARE else "POST"
        wanted = 1 if method == "GET" else chance.randint(1, _LARGEST_BATCH)
        events = session.events(min(wanted, left) if count else wanted)
        for event in events:
            if chance.random() < broken:
                break_event(event, chance)
        left -= len(events)
        yield Batch(method, session.browser.agent, session.address, events)
        if session.over:
            live[place] = Session(chance)


class Session:
    """One visitor walking through the shop."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.browser = chance.choice(shop.BROWSERS)
        self.address = chance.choice(shop.ADDRESSES)
        self.over = False
        self._visitor, self._id = _uuid(chance), _uuid(chance)
        self._visits = chance.randint(1, 6)
        self._member = f"member-{chance.randint(1, 500)}" if chance.random() < 0.3 else None
        self._referrer, query = chance.choice(shop.ARRIVALS)
        self._url, self._title, self._product = shop.SITE + "/" + query, "Welcome", shop.PRODUCTS[0]
        self._page = _uuid(chance)
        self._walk = self._steps()

    def events(self, wanted: int) -> list[Parameters]:
        """At least one event, at most `wanted`."""
        found: list[Parameters] = [self.page_view()] if wanted < 1 else []
        while len(found) < wanted and not self.over:
            event = next(self._walk, None)
            if event is None:
                self.over = True
            else:
                found.append(event)
        return found or [self.page_view()]

    def _steps(self) -> Iterator[Parameters]:
        yield self.page_view()
        for _ in range(self._chance.randint(1, 5)):
            yield from self._dwell()
            self.open_product()
            yield self.page_view()
            yield self.product_view()
            yield self.self_describing(f"{SNOWPLOW}/link_click/jsonschema/1-0-1", self._link_click())
            if self._chance.random() < 0.3:
                yield self.self_describing(f"{SNOWPLOW}/site_search/jsonschema/1-0-0", self._search())
            if self._chance.random() < 0.5:
                yield self.add_to_basket()

    def _dwell(self) -> Iterator[Parameters]:
        depth = 0
        for _ in range(self._chance.randint(0, 3)):
            depth += self._chance.randint(50, 900)
            yield self._event("pp", pp_mix="0", pp_max="0", pp_miy="0", pp_may=str(depth))

    def open_product(self) -> None:
        self._referrer = self._url
        self._product = self._chance.choice(shop.PRODUCTS)
        self._url = f"{shop.SITE}/{self._product.category}/{self._product.sku.lower()}"
        self._title = self._product.name
        self._page = _uuid(self._chance)

    def page_view(self) -> Parameters:
        return self._event("pv")

    def add_to_basket(self) -> Parameters:
        product = self._product
        return self._event(
            "se", se_ca="shop", se_ac="add-to-basket", se_la=product.sku, se_pr=product.category, se_va=product.price
        )

    def product_view(self) -> Parameters:
        """A self-describing event with the product and the page as entities."""
        product = self._product
        entity = {
            "sku": product.sku,
            "name": product.name,
            "category": product.category,
            "price": float(product.price),
            "currency": "EUR",
        }
        return self.self_describing(
            f"{ACME}/product_view/jsonschema/1-0-0",
            {"sku": product.sku, "listName": product.category, "position": self._chance.randint(1, 20)},
            {"schema": f"{ACME}/product/jsonschema/1-0-0", "data": entity},
            {"schema": f"{ACME}/page/jsonschema/1-0-0", "data": {"type": "product", "section": product.category}},
        )

    def self_describing(self, schema: str, data: dict[str, Any], *entities: dict[str, Any]) -> Parameters:
        return self._event("ue", *entities, ue_px=unstruct_text(schema, data))

    def _link_click(self) -> dict[str, Any]:
        return {"targetUrl": self._url, "elementId": f"product-{self._product.sku}", "elementClasses": ["card", "link"]}

    def _search(self) -> dict[str, Any]:
        return {"terms": self._chance.choice(shop.SEARCHES).split(), "totalResults": self._chance.randint(0, 40)}

    def _event(self, kind: str, *entities: dict[str, Any], **own: str) -> Parameters:
        page = {"schema": f"{SNOWPLOW}/web_page/jsonschema/1-0-0", "data": {"id": self._page}}
        browser = self.browser
        event = {
            "e": kind,
            "eid": _uuid(self._chance),
            "tv": "snowmelt-send-1",
            "tna": shop.NAMESPACE,
            "aid": shop.APP_ID,
            "p": "web",
            "duid": self._visitor,
            "vid": str(self._visits),
            "sid": self._id,
            "url": self._url,
            "page": self._title,
            "refr": self._referrer,
            "res": browser.screen,
            "vp": browser.viewport,
            "ds": f"{browser.viewport.split('x')[0]}x3120",
            "cd": "24",
            "cs": "UTF-8",
            "lang": browser.language,
            "tz": browser.timezone,
            "cookie": "1",
            "cx": _base64({"schema": f"{SNOWPLOW}/contexts/jsonschema/1-0-0", "data": [page, *entities]}),
            **own,
        }
        if self._member is not None:
            event["uid"] = self._member
        return {name: value for name, value in event.items() if value}


def break_event(event: Parameters, chance: random.Random) -> None:
    """Makes of a sound event one that must fail: wrong data, a schema nobody has, unreadable data, or a wrong number."""
    way = chance.randrange(4)
    if way == 3:
        event.update(e="se", se_ca="shop", se_ac="add-to-basket", se_va="a lot")
        return
    texts = (
        unstruct_text(f"{SNOWPLOW}/link_click/jsonschema/1-0-1", {"elementId": 7}),
        unstruct_text("iglu:example.shop/never_published/jsonschema/1-0-0", {"sku": "MUG-2"}),
        base64.urlsafe_b64encode(b'{"schema": "iglu:').decode("ascii"),
    )
    event.update(e="ue", ue_px=texts[way])


def unstruct_text(schema: str, data: dict[str, Any]) -> str:
    """A self-describing event as the `ue_px` parameter."""
    return _base64({"schema": f"{SNOWPLOW}/unstruct_event/jsonschema/1-0-0", "data": {"schema": schema, "data": data}})


def _base64(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
