"""What crosses between services. Reading order of the whole system:

`payload` and `thrift` (what the collector writes), `selfdescribing` and `jsontext` (schema + data), `event` and `tsv` (what the
enricher writes), `badrow` (what failed, why, and the cure), `bus.protocol` (how records travel), `iglu.resolver` (where schemas
come from), `settings`. Then `collector.app`, `enricher.enrich`, `loader.app`.
"""
