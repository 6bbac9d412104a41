"""Who may have the bytes of a file: everybody, once it is public; before that, those whom the deployment names.

The groups that may read early are those of the scope (setting ``early_access``) and those that the file's metadata
name under ``read_groups``, separated by white space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from datalink.core.known import Known
from penstock.auth.principal import Principal

GROUPS_KEY = "read_groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who asks, and when; `early` are the groups that may read before the end of an embargo, by scope."""

    caller: Principal
    now: datetime
    early: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def embargoed(self, known: Known) -> bool:
        """Tell whether the file is not public yet."""
        end = known.public_from
        return end is not None and self.now < end

    def may_read(self, known: Known) -> bool:
        """Tell whether the caller may have the bytes of the file now."""
        if self.caller.admin or not self.embargoed(known):
            return True
        groups = self.early.get(known.entry.did.scope, frozenset())
        groups = groups.union(known.entry.metadata.get(GROUPS_KEY, "").split())
        return not groups.isdisjoint(self.caller.groups)
