"""An enricher built from settings: schemas, enrichments, limits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backbone.iglu import build_resolver
from backbone.iglu.validator import Validator
from backbone.settings import Settings
from enricher import enrichments as configurable
from enricher.enrich import Enricher
from enricher.enrichments import Enrichments
from enricher.settings import EnricherSettings


@contextmanager
def assembled(
    settings: Settings,
    *,
    enrichments: Path | None = None,
    schemas: Sequence[Path] = (),
    assets: Path | None = None,
    largest_record: int | None = None,
) -> Iterator[Enricher]:
    """The enricher the settings describe; the other arguments overrule them. Raises ConfigurationError with every fault.

    `largest_record`: bytes that the bus takes.
    """
    own = settings.section("enricher", EnricherSettings)
    resolver = build_resolver(settings.iglu, extra_folders=tuple(schemas))
    try:
        validator = Validator(resolver, own.max_json_depth)
        folder = own.enrichments if enrichments is None else enrichments
        optional = enrichments is None and "enrichments" not in own.model_fields_set
        downloads = settings.data.folder / "assets"
        wanted = folder.is_dir() or not optional  # the default folder may be missing; one that was named must be there
        chosen = configurable.load(folder, assets or own.assets, validator, downloads) if wanted else Enrichments()
        yield Enricher(validator, chosen, own.limits(largest_record))
    finally:
        resolver.close()
