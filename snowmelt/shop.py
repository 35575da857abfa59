"""The invented shop whose visitors `snowmelt send` and the demo play: its pages, products, people, and what they carry."""

from typing import NamedTuple

SITE = "https://shop.example"
APP_ID = "shop"
NAMESPACE = "sp"


class Browser(NamedTuple):
    agent: str
    language: str
    timezone: str
    screen: str
    viewport: str


class Product(NamedTuple):
    sku: str
    name: str
    category: str
    price: str


BROWSERS = (
    Browser(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        "en-GB",
        "Europe/London",
        "1920x1080",
        "1903x947",
    ),
    Browser(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
        "fr-FR",
        "Europe/Paris",
        "1728x1117",
        "1728x992",
    ),
    Browser(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
        "Mobile/15E148 Safari/604.1",
        "de-DE",
        "Europe/Berlin",
        "393x852",
        "393x659",
    ),
    Browser(
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
        "es-ES",
        "Europe/Madrid",
        "412x915",
        "412x785",
    ),
    Browser(
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
        "en-US",
        "America/New_York",
        "2560x1440",
        "2560x1299",
    ),
)

PRODUCTS = (
    Product("KETTLE-1", "Kettle, 1 litre", "kitchen", "34.90"),
    Product("LAMP-7", "Desk lamp", "office", "59.00"),
    Product("MUG-2", "Mug, blue", "kitchen", "8.50"),
    Product("CHAIR-4", "Chair, oak", "office", "189.00"),
    Product("BLANKET-3", "Wool blanket", "home", "74.25"),
)

SEARCHES = ("kettle", "desk lamp", "gift", "oak chair", "blanket 2m")

ARRIVALS = (
    ("", ""),
    ("", ""),
    ("https://www.google.com/", ""),
    ("https://www.bing.com/search?q=wool+blanket", ""),
    ("https://www.facebook.com/", "?utm_source=facebook&utm_medium=social&utm_campaign=autumn"),
    ("https://news.example/", "?utm_source=newsletter&utm_medium=email&utm_campaign=week-47&utm_content=top"),
    ("https://www.google.com/", "?utm_source=google&utm_medium=cpc&utm_campaign=brand&utm_term=kettle&gclid=Cj0KCQ"),
)
"""(referrer, query of the first page), repeated where it is common."""

ADDRESSES = ("81.2.69.142", "81.2.69.160", "2.125.160.216", "216.160.83.56", "89.160.20.112", "175.16.199.37", "2001:218::7")
"""Client addresses known to MaxMind's public test databases, so that `ip_lookups` has something to say. Sent as a header only."""
