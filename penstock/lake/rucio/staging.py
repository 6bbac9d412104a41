"""Replication rules: replicas at a site for a while, in Rucio's way."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.auth.principal import Principal, refusal
from penstock.dali.errors import Forbidden, NotFound, ServiceError, ServiceUnavailable, UsageError
from penstock.lake.port import Did, DidType, Entry, Quota, Rule, Site, Staging
from penstock.lake.rucio.client import CHUNK, Busy, Refusal, RucioClient
from penstock.lake.rucio.rows import JsonRow, did_path, instant, json_did, quota_of, staging_of
from penstock.lake.rucio.settings import RucioSettings

_RULE = re.compile(r"[0-9a-f]{32}")
_COPIES = 1
_KEPT_LONGER = timedelta(days=1)  # a dataset that goes takes its rules with it
_SHOWN = 5
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # until the daemons let go of what they work on


class RuleDesk:
    """Makes rules, tells how far they are, and ends them.

    Parameters
    ----------
    client
        Speaks with Rucio.
    settings
        Who may stage, and where datasets of requests are put.
    """

    def __init__(self, client: RucioClient, settings: RucioSettings) -> None:
        self._client = client
        self._settings = settings

    def check(self, caller: Principal, *, sites: Sequence[Site], site: str) -> None:
        """See that the caller may stage, and that there is such a site: what Rucio takes is an expression.

        Raises
        ------
        UsageError
            They may not, or there is none.
        """
        if caller.anonymous and not self._settings.anonymous_staging:
            raise refusal(caller, "Only known callers may stage files here.")
        if site not in {one.name for one in sites}:
            names = ", ".join(one.name for one in sites) or "none"
            raise NotFound(f"{site[:80]!r} is not a site of this lake; its sites are: {names}.")

    def check_known(self, dids: Sequence[Did], known: Collection[Did]) -> None:
        """See that there is something to stage, and nothing that is not known.

        Raises
        ------
        UsageError
            There is not.
        """
        if not dids:
            raise UsageError("Say what is to be staged: ID is missing.")
        unknown = [str(did) for did in dids if did not in known]
        if unknown:
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise NotFound(f"The lake knows no {', '.join(unknown[:_SHOWN])}{more}.")

    async def stage(
        self, entries: Sequence[Entry], *, site: str, lifetime: timedelta | None, account: str, token: str | None
    ) -> Rule:
        """Make a rule for everything together, or attach to the one that is there already.

        Raises
        ------
        UsageError
            Rucio does not make it: the message says why.
        """
        try:
            did = await self._bundle(entries, lifetime, account, token)
            if token is None:
                await self._hold_to_quota(did, entries, site=site, account=account)
            body = {
                "dids": [json_did(did)],
                "account": account,
                "copies": _COPIES,
                "rse_expression": site,
                "lifetime": None if lifetime is None else _seconds(lifetime),
                "grouping": "DATASET",
                "comment": "staged by Penstock",
            }
            return Rule(id=await self._make(body, token), created=True)
        except Refusal as error:
            if error.kind == "DuplicateRule":
                return await self._attach(did, site=site, lifetime=lifetime, account=account)
            raise await self._explain(error, entries, site=site, account=account, token=token) from error

    async def _make(self, body: Any, token: str | None) -> str:
        for pause_s in _PAUSES_S:
            try:
                return str((await self._client.send("POST", "/rules/", body, token=token))[0])
            except Busy:
                await asyncio.sleep(pause_s)
        return str((await self._client.send("POST", "/rules/", body, token=token))[0])

    async def _bundle(
        self, entries: Sequence[Entry], lifetime: timedelta | None, account: str, token: str | None
    ) -> Did:
        """Return one DID for all: that of the only one, else a dataset of files, or a container with other ones."""
        if len(entries) == 1:
            return entries[0].did
        files = [entry.did for entry in entries if entry.type is DidType.FILE]
        others = [entry.did for entry in entries if entry.type is not DidType.FILE]
        scope = self._settings.stage_scope or f"user.{account}"
        if files:
            dataset = Did(scope, _name(files))
            await self._collect(dataset, DidType.DATASET, files, lifetime, token)
            others.append(dataset)
        if len(others) == 1:
            return others[0]
        container = Did(scope, _name(others))
        await self._collect(container, DidType.CONTAINER, others, lifetime, token)
        return container

    async def _collect(
        self, did: Did, kind: DidType, members: Sequence[Did], lifetime: timedelta | None, token: str | None
    ) -> None:
        """Make a collection of members, or go on with one that somebody began."""
        path = f"/dids/{did_path(did)}"
        until = None if lifetime is None else _seconds(lifetime + _KEPT_LONGER)
        try:
            await self._client.send("POST", path, {"type": kind.value, "lifetime": until}, token=token)
        except Refusal as error:
            if error.kind != "DataIdentifierAlreadyExists":
                raise
            await self._client.send("POST", f"{path}/meta/lifetime", {"value": until}, token=token)
        for start in range(0, len(members), CHUNK):
            attachment = json_did(did) | {"dids": [json_did(one) for one in members[start : start + CHUNK]]}
            body = {"attachments": [attachment], "ignore_duplicate": True}
            await self._client.send("POST", "/dids/attachments", body, token=token)

    async def _attach(self, did: Did, *, site: str, lifetime: timedelta | None, account: str) -> Rule:
        """Return the rule that is there already, which lasts as long as was asked for now, or longer."""
        rule = await self._same(did, site=site, account=account)
        if rule is None:
            raise ServiceUnavailable("The data lake changed meanwhile: try again.")
        await self._extend(rule, lifetime)
        return Rule(id=rule["id"], created=False)

    async def _same(self, did: Did, *, site: str, account: str) -> JsonRow | None:
        """Return the rule of an account that keeps a DID at a site, None where there is none."""
        rules = [rule async for rule in self._client.rows("GET", f"/dids/{did_path(did)}/rules")]
        wanted = (account, site, _COPIES)
        return next((one for one in rules if (one["account"], one["rse_expression"], one["copies"]) == wanted), None)

    async def _hold_to_quota(self, did: Did, entries: Sequence[Entry], *, site: str, account: str) -> None:
        """See that the service's account keeps to its limit: Rucio holds none to it that has the attribute admin.

        Raises
        ------
        UsageError
            It would not; a rule that is there already may go on.
        """
        quota = await self._quota(site, account, None)
        if quota is None or quota.limit_bytes is None or quota.used_bytes + _size(entries) <= quota.limit_bytes:
            return
        if await self._same(did, site=site, account=account) is None:
            raise _over(quota, entries, site=site, account=account)

    async def _extend(self, rule: JsonRow, lifetime: timedelta | None) -> None:
        ends = instant(rule.get("expires_at"))
        if ends is not None and (lifetime is None or ends < datetime.now(UTC) + lifetime):
            await self._set_lifetime(rule["id"], lifetime)

    async def _set_lifetime(self, rule: str, lifetime: timedelta | None) -> None:
        seconds = None if lifetime is None else _seconds(lifetime)
        await self._client.send("PUT", f"/rules/{rule}", {"options": {"lifetime": seconds}})

    async def staging(self, rule: str, *, account: str, admin: bool) -> Staging:
        """Return how far a rule is.

        Raises
        ------
        NotFound
            There is no such rule of this account.
        """
        return staging_of(await self._rule(rule, account=account, admin=admin))

    async def unstage(self, rule: str, *, account: str, admin: bool) -> None:
        """End a rule now.

        What Rucio calls deleting leaves an hour's grace, so the rule's lifetime is set instead. Rucio's generic policy
        lets administrators do either only: the service does it for the account that the rule is of.
        """
        try:
            await self._rule(rule, account=account, admin=admin)
            await self._set_lifetime(rule, timedelta(0))
        except NotFound:
            return
        except Refusal as error:
            if error.kind == "RuleNotFound":
                return
            raise _told(error) from error

    async def _rule(self, rule: str, *, account: str, admin: bool) -> JsonRow:
        missing = NotFound("There is no such staging, or it has expired.")
        if not _RULE.fullmatch(rule):  # Rucio fails at it
            raise missing
        try:
            found: JsonRow = await self._client.get(f"/rules/{rule}")
        except Refusal as error:
            raise missing if error.kind == "RuleNotFound" else _told(error) from error
        ends = instant(found.get("expires_at"))
        if (found["account"] != account and not admin) or (ends is not None and ends <= datetime.now(UTC)):
            raise missing
        return found

    async def quotas(self, account: str, token: str | None) -> Sequence[Quota]:
        """Return what an account has at each site where it has a limit or replicas."""
        try:
            rows = self._client.rows("GET", f"/accounts/{account}/usage/local", token=token)
            return sorted([quota_of(row) async for row in rows], key=lambda quota: quota.site)
        except Refusal as error:
            raise _told(error) from error

    async def _explain(
        self, error: Refusal, entries: Sequence[Entry], *, site: str, account: str, token: str | None
    ) -> ServiceError:
        if error.kind != "InsufficientAccountLimit":
            return _told(error)
        return _over(await self._quota(site, account, token), entries, site=site, account=account)

    async def _quota(self, site: str, account: str, token: str | None) -> Quota | None:
        return next((one for one in await self.quotas(account, token) if one.site == site), None)


def _over(quota: Quota | None, entries: Sequence[Entry], *, site: str, account: str) -> UsageError:
    """Return the error that tells what was asked for, and what the account has."""
    had = "has no quota there"
    if quota is not None and quota.limit_bytes is not None:
        had = f"uses {quota.used_bytes} of {quota.limit_bytes} bytes there"
    return UsageError(
        f"The quota at {site} does not suffice: {_size(entries)} bytes were asked for, and the account {account} "
        f"{had}. Choose another site, stage less, or ask the lake's operators for more."
    )


def _size(entries: Sequence[Entry]) -> int:
    return sum(entry.size_bytes or 0 for entry in entries)


_REASONS: Mapping[str, tuple[type[ServiceError], str]] = {
    "AccessDenied": (Forbidden, "The data lake does not allow this."),
    "DataIdentifierNotFound": (NotFound, "The data lake does not know all of what is to be staged."),
    "InsufficientTargetRSEs": (UsageError, "The site takes no replicas now: choose another."),
    "InvalidRSEExpression": (UsageError, "The site takes no replicas now: choose another."),
    "InvalidObject": (UsageError, "The data lake does not take such a request."),
    "RSEWriteBlocked": (ServiceUnavailable, "The site takes no replicas now: try later or choose another."),
    "ReplicationRuleCreationTemporaryFailed": (ServiceUnavailable, "The data lake cannot do it now: try later."),
    "ScopeNotFound": (UsageError, "The data lake has no scope for requests of several IDs: set rucio.stage_scope."),
    "StagingAreaRuleRequiresLifetime": (UsageError, "The site keeps replicas for a while only: give a LIFETIME."),
}


def _told(error: Refusal) -> ServiceError:
    kind, text = _REASONS.get(error.kind, (UsageError, f"The data lake refuses: {error.kind}."))
    return kind(text)


def _seconds(lifetime: timedelta) -> int:
    return int(lifetime.total_seconds())


def _name(members: Sequence[Did]) -> str:
    """Return a name that the same members get always."""
    text = "\n".join(sorted(map(str, members)))
    return f"penstock.stage.{hashlib.sha256(text.encode()).hexdigest()[:32]}"
