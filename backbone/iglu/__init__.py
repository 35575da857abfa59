"""Iglu: where schemas come from (`registries`, `resolver`), and whether data keeps to them (`validator`)."""

from backbone.iglu.configuration import build_resolver

__all__ = ["build_resolver"]
