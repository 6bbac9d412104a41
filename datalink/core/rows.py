"""The rows of one DID (DataLink 1.1 s3.2).

A file has exactly one ``#this`` row. Several would mean several files that form one dataset, and clients would fetch
them all; so ``#this`` is a stable address that leads to the best replica at the time of access, and every replica has
a row of its own with a term of ours, which clients that do not know it skip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from datalink.core import services
from datalink.core.access import Access
from datalink.core.faults import Fault
from datalink.core.known import NOTHING, Known
from datalink.core.links import THIS, Addresses, Link, failed
from datalink.core.nearest import Nearness
from datalink.core.related import related
from datalink.core.replicas import Delivery, checksums, is_usable, over_http, scheme_of, why_not
from datalink.core.services import Offers
from datalink.core.terms import COMPUTE, MEMBER, MORE, REPLICA, STAGING
from penstock.dali.formats import DATALINK_TYPE
from penstock.lake.port import Did, Medium, Replica
from penstock.votable.document import ServiceDescriptor

PACKAGE_TYPE = "application/x-tar"
_PRODUCT_TYPES = frozenset({"cube", "image", "sed", "spectrum", "timeseries", "visibility"})
_CUT = frozenset({"cube", "image"})
_FITS = frozenset({"application/fits", "image/fits"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """A page of the members of a dataset or container; `last` is False where more follow."""

    dids: Sequence[Did]
    page: int = 1
    last: bool = True


class RowMaker:
    """Makes the rows of one request, and keeps the descriptors of the services that they lead to.

    Parameters
    ----------
    addresses, nearness, access
        Where things are, what is near the caller, what the caller may have.
    offers
        The services that run.
    delivery
        How ``#this`` gives the bytes.
    own_cutouts
        How many files at most get a descriptor of cut-outs with their own limits.
    """

    def __init__(
        self,
        *,
        addresses: Addresses,
        nearness: Nearness,
        access: Access,
        offers: Offers = Offers(),  # noqa: B008  # immutable
        delivery: Delivery = Delivery.PROXY,
        own_cutouts: int = 0,
    ) -> None:
        self._addresses = addresses
        self._nearness = nearness
        self._access = access
        self._offers = offers
        self._delivery = delivery
        self._own_cutouts = own_cutouts
        self._cutouts = 0
        self._described: set[str] = set()
        self._new_services: list[ServiceDescriptor] = []
        self._replica_term = addresses.term(REPLICA)
        self._workers = tuple(_workers(offers, addresses))

    def new_services(self) -> tuple[ServiceDescriptor, ...]:
        """Return the descriptors to which the rows made since the last call are the first to refer."""
        taken = tuple(self._new_services)
        self._new_services.clear()
        return taken

    def of_file(self, identifier: str, known: Known) -> tuple[Link, ...]:
        """Return the rows of a file: itself, its replicas, nearest first, what works on it, what belongs to it.

        `identifier` is the ID as the caller wrote it. A file under embargo is listed, and said to be out of reach
        (DataLink 1.1 s3.2.12).
        """
        entry = known.entry
        common = self._common(identifier, known)
        replicas = self._nearness.order(entry.replicas)
        rows = [self._this(common, known, replicas)]
        # Whoever may not read the file is not told where others have it, who may not ask who reads.
        told = replicas if common.link_authorized else [one for one in replicas if one.path or not one.online]
        copies = [self._replica(common, entry.did, replica) for replica in told]
        if told and not told[-1].online:  # a site that has several protocols says once that its copy cannot be read
            copies = list(dict.fromkeys(copies))
        rows += copies
        if self._offers.cutouts is not None and rows[0].access_url is not None and _can_be_cut(known):
            rows.append(self._cutout(common, known))
        rows += self._work(identifier)
        rows += related(identifier, entry.metadata, self._addresses)
        return tuple(rows)

    def of_collection(self, identifier: str, known: Known, members: Members) -> tuple[Link, ...]:
        """Return the rows of a dataset or container: all of it in one, its members, where the next of them are.

        A member's row leads to the member's own links (DataLink 1.1 s3.2.7).
        """
        did = known.entry.did
        if not members.dids:
            text = f"{did} has no members" if members.page == 1 else f"{did} has no page {members.page} of members"
            return (failed(identifier, Fault.NOT_FOUND, text, semantics=self._addresses.term(MEMBER)),)
        rows = [self._package(identifier, known)] if members.page == 1 else []
        rows += self._members(identifier, did, members)
        if members.page == 1:
            rows += self._work(identifier)
            rows += related(identifier, known.entry.metadata, self._addresses)
        return tuple(rows)

    def _common(self, identifier: str, known: Known) -> Link:
        """Return what the rows of all copies of a file have in common."""
        entry, product_type = known.entry, known.product_type
        embargoed = self._access.embargoed(known)
        return Link(
            id=identifier,
            content_type=entry.media_type,
            content_length=entry.size_bytes,
            content_qualifier=f"#{product_type}" if product_type in _PRODUCT_TYPES else None,
            link_auth="true" if embargoed else "false",
            link_authorized=not embargoed or self._access.may_read(known),
            checksum=checksums(entry),
        )

    def _this(self, common: Link, known: Known, replicas: Sequence[Replica]) -> Link:
        entry = known.entry
        if not any(is_usable(replica, self._delivery) for replica in replicas):
            return failed(common.id, *why_not(entry))
        sites = len({replica.site for replica in entry.replicas})
        text = f"{entry.did}, from the best of {sites} sites" if sites > 1 else str(entry.did)
        return _copy(common, self._addresses.data(entry.did), text)

    def _replica(self, common: Link, did: Did, replica: Replica) -> Link:
        url = self._addresses.replica(did, replica)
        if not replica.online or url is None:
            reason = "on tape, to be staged first" if replica.medium is Medium.TAPE else "not readable now"
            text = f"the replica of {did} at {replica.site} is {reason}"
            return failed(common.id, Fault.TRANSIENT, text, semantics=self._replica_term)
        protocol = "" if over_http(replica) else f", over {scheme_of(replica)}"
        description = f"Replica at {replica.site}{protocol}"
        return _copy(common, url, description, semantics=self._replica_term, site=replica.site)

    def _cutout(self, common: Link, known: Known) -> Link:
        assert self._offers.cutouts is not None  # noqa: S101  # the caller has looked
        number = 0
        if known.observed is not NOTHING and self._cutouts < self._own_cutouts:
            number = self._cutouts = self._cutouts + 1
        name = services.cutout_id(number)
        if self._is_new(name):
            observed = known.observed if number else NOTHING
            self._new_services.append(services.cutout_service(self._offers.cutouts, observed, number))
        return Link(
            id=common.id,
            service_def=name,
            description=f"A part cut out of {known.entry.did}",
            semantics="#cutout",
            content_type=common.content_type,
            content_qualifier=common.content_qualifier,
            link_auth=common.link_auth,
            link_authorized=common.link_authorized,
        )

    def _work(self, identifier: str) -> Iterator[Link]:
        """Yield the rows of what brings the file elsewhere, and of what runs next to it."""
        for service, rest in self._workers:
            if self._is_new(service.id):
                self._new_services.append(service)
            yield Link(identifier, *rest)

    def _is_new(self, service: str) -> bool:
        """Tell whether no row has referred to a service yet; from now on one has."""
        if service in self._described:
            return False
        self._described.add(service)
        return True

    def _package(self, identifier: str, known: Known) -> Link:
        return Link(
            id=identifier,
            access_url=self._addresses.package(known.entry.did),
            description=f"All files of {known.entry.did} in one",
            semantics="#package",
            content_type=PACKAGE_TYPE,
            link_auth="optional",
            link_authorized=True,
        )

    def _members(self, identifier: str, did: Did, members: Members) -> Iterator[Link]:
        semantics = self._addresses.term(MEMBER)
        for member in members.dids:
            yield self._list(identifier, self._addresses.links_of(member), f"Links of {member}", semantics)
        if not members.last:
            url = self._addresses.links_of(did, page=members.page + 1)
            yield self._list(identifier, url, f"Further members of {did}", self._addresses.term(MORE))

    @staticmethod
    def _list(identifier: str, url: str, description: str, semantics: str) -> Link:
        """Return a row that leads to another list of links."""
        return Link(
            id=identifier,
            access_url=url,
            description=description,
            semantics=semantics,
            content_type=DATALINK_TYPE,
            link_auth="false",
            link_authorized=True,
        )


def _copy(common: Link, url: str, description: str, *, semantics: str = THIS, site: str | None = None) -> Link:
    """Return the row of a way to the bytes of a file; by position, since names would take three times as long."""
    return Link(
        common.id,
        url,
        None,
        None,
        description,
        semantics,
        common.content_type,
        common.content_length,
        common.content_qualifier,
        f"replica/{site}" if site is not None else None,
        common.link_auth,
        common.link_authorized,
        site,
        common.checksum,
    )


def _workers(offers: Offers, addresses: Addresses) -> Iterator[tuple[ServiceDescriptor, Sequence[Any]]]:
    """Yield the services that work with any file: the descriptor, and the row without its identifier."""
    if offers.jobs is not None:
        row = Link(
            id="",
            service_def=services.STAGING,
            description="Brings it to a storage site for a time",
            semantics=addresses.term(STAGING),
            content_type="text/xml",
        )
        yield services.staging_service(offers.jobs, offers.sites), row[1:]
    if offers.planner is not None:
        row = Link(
            id="",
            service_def=services.COMPUTE,
            description="Where a task can run that needs it",
            semantics=addresses.term(COMPUTE),
            content_type="application/json",
        )
        yield services.compute_service(offers.planner), row[1:]


def _can_be_cut(known: Known) -> bool:
    return known.entry.media_type in _FITS and known.product_type in _CUT
