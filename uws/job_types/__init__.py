"""Types of job: those that are installed, and what makes one of a Python function or of a command line.

A package adds types by entry points of the group ``penstock.job_types``, whose values are `uws.ports.JobType`.
"""

from __future__ import annotations

from penstock.sandbox import Sandbox
from uws.job_types.blocking import BlockingContext
from uws.job_types.commandline import Output, command_line
from uws.job_types.functions import About, job_type
from uws.job_types.installed import installed_job_types

__all__ = ["About", "BlockingContext", "Output", "Sandbox", "command_line", "installed_job_types", "job_type"]
