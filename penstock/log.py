"""Structured logs: key-value lines on standard error, for people or as JSON."""

from __future__ import annotations

import logging
import sys

import structlog

from penstock.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Route structlog and the standard library's loggers to standard error in one format."""
    level = getattr(logging, settings.log_level.upper())
    stamps: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # values of variables may be secrets
        )
    )
    structlog.configure(
        processors=[*stamps, structlog.processors.format_exc_info, renderer]
        if settings.log_format == "json"
        else [*stamps, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=stamps, processor=renderer))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
