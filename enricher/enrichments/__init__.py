"""Configurable enrichments. `protocol` says what one is, `loading` how a folder of files becomes those of a run.

One file each: `ua_parser`, `referer_parser`, `campaign_attribution`, `event_fingerprint`, `ip_lookups`, `anon_ip`, `pii`.
A new one is a file here with a class of the protocol's form and a `build`, and a line in `loading.KINDS` and `Enrichments`.
"""

from enricher.enrichments.loading import Enrichments, load

__all__ = ["Enrichments", "load"]
