"""Does data keep to its schema? The one place that answers it, for the enricher, the loader and the command line.

Two engines: `fast_engine` says "valid" quickly, `reporting` decides on the rest and names every fault. A schema is compiled
once for as long as the resolver gives the same document.
"""

from dataclasses import replace
from typing import Any

from backbone import jsontext
from backbone.errors import RegistryUnavailable
from backbone.iglu import metaschema
from backbone.iglu.failures import IgluFailure, Issue, Report, ResolutionError, ResolutionFailure, ValidationError
from backbone.iglu.fast_engine import fast_engine
from backbone.iglu.json_values import faithful
from backbone.iglu.keywords import reporter
from backbone.iglu.reporting import InvalidSchema
from backbone.iglu.resolver import Resolver, Schema
from backbone.selfdescribing import SchemaKey, SelfDescribing

__all__ = ["CompiledSchema", "IgluFailure", "ResolutionError", "ResolutionFailure", "ValidationError", "Validator", "validate"]

_MAX_COMPILED = 20_000


class CompiledSchema:
    """A schema document ready to validate with. `issues` says why it cannot be used, if so."""

    __slots__ = ("_is_valid", "_max_depth", "_reporter", "issues")

    def __init__(self, document: Any, max_depth: int | None = None) -> None:
        self.issues: tuple[Issue, ...] = metaschema.issues(document, max_depth)
        self._max_depth = max_depth
        self._reporter = reporter(document)
        self._is_valid = None if self.issues else fast_engine(document)

    def failure(self, value: Any, exact: bool = True) -> ValidationError | None:
        """What is wrong with `value`; None if it is valid. `exact` promises that it holds no LiteralNumber."""
        if self.issues:
            return ValidationError(schema_issues=self.issues)
        if self._max_depth is not None and jsontext.depth(value, self._max_depth) > self._max_depth:
            return ValidationError((Report(metaschema.TOO_DEEP, "/", None, ()),))
        if self._is_valid is not None:
            try:
                if self._is_valid(value if exact else faithful(value)):
                    return None
            except ValueError:
                pass  # a lone surrogate, or a number the fast engine would not see as it is
        try:
            reports = self._reporter.reports(value)
        except InvalidSchema as problem:
            return ValidationError(schema_issues=(problem.issue,))
        return ValidationError(tuple(reports)) if reports else None


def validate(document: Any, value: Any, max_depth: int | None = None, exact: bool = False) -> ValidationError | None:
    """Validates against a schema that need not be in any registry; None if valid."""
    return CompiledSchema(document, max_depth).failure(value, exact)


class Validator:
    """Thread-safe. `max_depth` bounds data and schemas, scalars counting as one level; None does not bound them."""

    def __init__(self, resolver: Resolver, max_depth: int | None = jsontext.MAX_DEPTH) -> None:
        self.resolver = resolver
        self._max_depth = max_depth
        self._compiled: dict[SchemaKey, tuple[Schema, CompiledSchema]] = {}

    def check(self, datum: SelfDescribing) -> SchemaKey | IgluFailure:
        """The key of the schema the datum is valid under (a later one when superseded), or what is wrong.

        Raises RegistryUnavailable when a registry did not answer, so that it is not known whether the schema exists.
        """
        return self.check_value(datum.key, datum.data, datum.exact)

    def check_value(self, key: SchemaKey, value: Any, exact: bool = True) -> SchemaKey | IgluFailure:
        """The same for a schema key and data that are not together yet."""
        schema = self.resolver.lookup(key)
        if type(schema) is ResolutionError:
            if schema.transient:
                raise RegistryUnavailable(f"could not look up {key.uri}: {schema}")
            return schema
        assert isinstance(schema, Schema)
        known = self._compiled.get(key)
        if known is None or known[0] is not schema:
            known = self._compile(key, schema)
        failure = known[1].failure(value, exact)
        if failure is None:
            return schema.key
        return failure if schema.key is key or schema.key == key else replace(failure, superseded_by=str(schema.key.version))

    def _compile(self, key: SchemaKey, schema: Schema) -> tuple[Schema, CompiledSchema]:
        if len(self._compiled) >= _MAX_COMPILED:
            self._compiled = {}
        compiled = self._compiled[key] = (schema, CompiledSchema(schema.document, self._max_depth))
        return compiled
