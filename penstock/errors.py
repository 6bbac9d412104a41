"""What an operator is told in one line. Alone in its module, so that a command that does nothing loads nothing."""

from __future__ import annotations


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line for the operator."""
