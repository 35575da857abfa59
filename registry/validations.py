"""Instances against schemas, one question at a time: what the enricher's validator says of each.

A question is a JSON object with `instance` and either `schema` or `uri`, perhaps `maxJsonDepth` (levels; by default any).
A schema without `$schema` is taken for one of a registry, unless `raw` is true: then it is taken as it is.
"""

from typing import Any

from backbone.iglu.failures import ValidationError
from backbone.iglu.metaschema import IGLU_SCHEMA
from backbone.iglu.resolver import Resolver, Schema
from backbone.iglu.validator import CompiledSchema
from backbone.selfdescribing import InvalidIglu, parse_key

Json = dict[str, Any]


class Unanswerable(Exception):
    """The question is not one, or its schema cannot be found; the text says why."""


class Validations:
    """Compiles a schema of a registry once."""

    def __init__(self, registries: Resolver) -> None:
        self._registries = registries
        self._compiled: dict[tuple[Schema, int | None], CompiledSchema] = {}

    def answer(self, question: Json) -> Json:
        """`{"valid", "reports": [{"path", "keyword", "targets"}], "schemaIssues": [{"path", "message"}]}`.

        Raises Unanswerable.
        """
        if "instance" not in question:
            raise Unanswerable("`instance` is missing")
        failure = self._schema(question).failure(question["instance"], exact=False)
        return {"valid": failure is None, **_told(failure or ValidationError())}

    def _schema(self, question: Json) -> CompiledSchema:
        depth = question.get("maxJsonDepth")
        if depth is not None and type(depth) is not int:
            raise Unanswerable("`maxJsonDepth` must be a whole number")
        if "schema" in question:
            return CompiledSchema(_completed(question["schema"], question.get("raw") is True), depth)
        found = self._found(question.get("uri"))
        known = self._compiled.get((found, depth))
        if known is None:
            known = self._compiled[found, depth] = CompiledSchema(found.document, depth)
        return known

    def _found(self, uri: Any) -> Schema:
        if type(uri) is not str:
            raise Unanswerable("`schema` or `uri` is missing")
        try:
            answer = self._registries.lookup(parse_key(uri))
        except InvalidIglu as problem:
            raise Unanswerable(f"`uri` names no schema: {problem.code}") from None
        if isinstance(answer, Schema):
            return answer
        raise Unanswerable(f"`uri` is in no registry that could be asked ({answer})")


def _completed(schema: Any, raw: bool) -> Any:
    if raw or type(schema) is not dict or "$schema" in schema:
        return schema
    return {"$schema": IGLU_SCHEMA, **schema}


def _told(failure: ValidationError) -> Json:
    reports = [
        {"path": report.path, "keyword": report.keyword, "targets": list(report.targets)} for report in failure.data_reports
    ]
    return {"reports": reports, "schemaIssues": [issue.value() for issue in failure.schema_issues]}
