"""Services of the registry by the standard that they follow, for services that need others.

They are read from the tables of the relational registry, whose names and meaning RegTAP 1.2 fixes: whoever fills them
need not be known, and records that were harvested count like those of this deployment.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from penstock.db import Database, Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a service is reached; a URL that begins with a slash is a path of this host.

    `authenticated_only` tells that callers have to say who they are.
    """

    ivoid: str
    title: str | None
    access_url: str
    version: str | None
    authenticated_only: bool


async def endpoints(db: Database, standard_id: str) -> tuple[Endpoint, ...]:
    """Return the standard interfaces of the services that follow a standard, sorted by identifier.

    Parameters
    ----------
    standard_id
        The identifier of the standard, whatever its case, exactly: ``ivo://ivoa.net/std/TAP`` is not
        ``ivo://ivoa.net/std/TAP#aux``.

    Raises
    ------
    ServiceUnavailable
        The database does not answer.
    """
    ns = Namespace.of(db.dialect, "rr")
    resource, capability, interface = (_table(ns, name, columns) for name, columns in _COLUMNS.items())
    i, c, r = interface.c, capability.c, resource.c
    joined = interface.join(capability, sa.and_(c.ivoid == i.ivoid, c.cap_index == i.cap_index)).join(
        resource, r.ivoid == i.ivoid
    )
    query = (
        sa.select(i.ivoid, r.res_title, i.access_url, i.std_version, i.authenticated_only)
        .select_from(joined)
        .where(c.standard_id == standard_id.lower(), i.intf_role == "std", i.access_url.is_not(None))
        .order_by(i.ivoid, i.intf_index)
    )
    async with db.read() as connection:
        return tuple(
            Endpoint(
                ivoid=row.ivoid,
                title=row.res_title,
                access_url=row.access_url,
                version=row.std_version,
                authenticated_only=bool(row.authenticated_only),
            )
            for row in await connection.execute(query)
        )


_COLUMNS = {
    "resource": ("ivoid", "res_title"),
    "capability": ("ivoid", "cap_index", "standard_id"),
    "interface": ("ivoid", "cap_index", "intf_index", "intf_role", "std_version", "access_url", "authenticated_only"),
}


def _table(ns: Namespace, name: str, columns: tuple[str, ...]) -> sa.Table:
    return ns.table(name, *(sa.Column(column) for column in columns))
