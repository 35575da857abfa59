"""Campaign attribution: marketing fields from the page URL's query.

For each field the first *configured* parameter that the query has wins, also when it is empty. Click ids: the built-in ones,
then those of the configuration in their order; an empty one does not count. `mapping` has no effect.
"""

from typing import Any

from backbone.selfdescribing import SchemaKey
from enricher.assets import Assets
from enricher.enrichments.configuration import Configuration
from enricher.enrichments.protocol import Working
from enricher.text import clean

CLICK_IDS = {"gclid": "Google", "msclkid": "Microsoft", "dclid": "DoubleClick"}
_FIELDS = {
    "mktMedium": "mkt_medium",
    "mktSource": "mkt_source",
    "mktTerm": "mkt_term",
    "mktContent": "mkt_content",
    "mktCampaign": "mkt_campaign",
}


class CampaignAttribution:
    """`names` says which parameters each column is read from, `click_ids` which network a parameter belongs to."""

    def __init__(self, key: SchemaKey, names: dict[str, tuple[str, ...]], click_ids: dict[str, str]) -> None:
        self.schema_key = key
        self._names = tuple(names.items())
        self._click_ids = tuple((CLICK_IDS | click_ids).items())

    def enrich(self, working: Working) -> None:
        if not working.page_query:
            return
        query = dict(working.page_query)
        fields = working.event.__dict__
        for column, names in self._names:
            for name in names:
                if name in query:
                    if (value := clean(query[name])) is not None:
                        fields[column] = value
                    break
        for name, network in self._click_ids:
            if (found := query.get(name)) and (click_id := clean(found)) is not None:
                fields["mkt_clickid"] = click_id
                fields["mkt_network"] = clean(network)
                break


def build(configuration: Configuration, assets: Assets) -> CampaignAttribution:
    fields: Any = configuration.parameters["fields"]
    names = {column: tuple(map(str, fields[field])) for field, column in _FIELDS.items()}
    click_ids = {str(name): str(network) for name, network in fields.get("mktClickId", {}).items()}
    return CampaignAttribution(configuration.key, names, click_ids)
