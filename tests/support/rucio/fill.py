"""Makes Rucio's database and puts the sample lake into it; runs in Rucio's environment, with its own core.

``python fill.py STORE PORT``: the folder of the storage, and the port of its WebDAV server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import sample
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import account as accounts
from rucio.core import account_limit, did, distance, identity, replica, rse, scope
from rucio.db.sqla import models
from rucio.db.sqla.constants import AccountType, DIDType, IdentityType
from rucio.db.sqla.session import get_session
from rucio.db.sqla.util import build_database, create_base_vo, create_root_account
from sqlalchemy import insert

ROOT = InternalAccount("root")
_ALL = {"read": 1, "write": 1, "delete": 1}
_WAN = _ALL | {"third_party_copy_read": 1, "third_party_copy_write": 1}


def main(store: Path, port: int) -> None:
    """Make everything."""
    build_database()
    create_base_vo()
    create_root_account()
    session = get_session()()
    rses = add_sites(session, port)
    add_accounts(session, rses)
    write_files(store)
    add_files(session, rses)
    add_datasets(session)
    children = [child(sample.dataset_name(number)) for number in range(10)]
    survey = InternalScope(sample.SCOPE)
    did.add_did(survey, sample.SURVEY, DIDType.CONTAINER, ROOT, session=session)
    did.attach_dids(survey, sample.SURVEY, children, ROOT, session=session)
    session.commit()


def add_sites(session: Any, port: int) -> dict[str, str]:
    """Add the sites and return their ids by name."""
    rses = {}
    for spec in (*sample.RSES, sample.ARCHIVE):
        place = {"latitude": spec.latitude, "longitude": spec.longitude}
        options = {"city": spec.site, "country_name": spec.country, "deterministic": spec is not sample.ARCHIVE}
        rse_id = rses[spec.name] = rse.add_rse(spec.name, session=session, **options, **place)
        attributes = {"site": spec.site, "country": spec.country, "istape": spec.tape, "tier": "1"}
        for key, value in {**attributes, **place}.items():
            rse.add_rse_attribute(rse_id, key, value, session=session)
        prefix = f"/{spec.share}/rucio" if spec is not sample.ARCHIVE else f"/{spec.share}"
        for number, (scheme, host, at) in enumerate((("http", "127.0.0.1", port), ("root", "xrd.example", 1094)), 1):
            domains = {"lan": _ALL, "wan": _WAN}
            if number > 1:  # can be read only
                domains = {
                    name: {key: 2 if key == "read" else None for key in kinds} for name, kinds in domains.items()
                }
            protocol = {
                "scheme": scheme,
                "hostname": host,
                "port": at,
                "prefix": prefix if scheme == "http" else f"/{prefix}",
                "impl": "rucio.rse.protocols." + ("webdav.Default" if scheme == "http" else "xrootd.Default"),
                "domains": domains,
                "extended_attributes": None,
            }
            rse.add_protocol(rse_id, protocol, session=session)
    for (source, target), far in sample.DISTANCES.items():
        distance.add_distance(rses[source], rses[target], far, session=session)
    return rses


def add_accounts(session: Any, rses: dict[str, str]) -> None:
    """Add accounts, scopes and limits; that of the service may register replicas and delete rules."""
    for name, user, password in sample.ACCOUNTS:
        account = InternalAccount(name)
        kind = AccountType.SERVICE if name == "penstock" else AccountType.USER
        accounts.add_account(account, kind, f"{name}@example.org", session=session)
        identity.add_identity(user, IdentityType.USERPASS, f"{name}@example.org", password, session=session)
        identity.add_account_identity(
            user, IdentityType.USERPASS, account, f"{name}@example.org", default=True, session=session
        )
    accounts.add_account_attribute(InternalAccount("penstock"), "admin", True, session=session)
    for name, owner in sample.SCOPES.items():
        scope.add_scope(InternalScope(name), InternalAccount(owner), session=session)
    for (name, site), limit in sample.LIMITS.items():
        account_limit.set_local_account_limit(InternalAccount(name), rses[site], limit, session=session)


def child(name: str) -> dict[str, Any]:
    """Return a member of the sample's scope."""
    return {"scope": InternalScope(sample.SCOPE), "name": name}


def write_files(store: Path) -> None:
    """Write the bytes of all files at their sites."""
    for number in range(sample.DATASETS):
        for one in range(sample.FILES_PER_DATASET):
            data = sample.content(number, one)
            for spec in sample.sites_of(number):
                path = store / spec.share / sample.storage_path(sample.SCOPE, sample.file_name(number, one))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)


def add_files(session: Any, rses: dict[str, str]) -> None:
    """Add all files with their metadata, and their replicas: a call for each site and kind of dataset."""
    for kind in range(6):  # in which `sample.sites_of` repeats itself
        keys = [(number, one) for number in range(kind, sample.DATASETS, 6) for one in range(sample.FILES_PER_DATASET)]
        files = [child(sample.file_name(*key)) | sample.described(*key) for key in keys]
        for spec in sample.sites_of(kind):
            replica.add_replicas(rses[spec.name], [dict(file) for file in files], ROOT, session=session)
        session.execute(
            insert(models.DidMeta),
            [child(sample.file_name(*key)) | {"meta": sample.obscore(*key), "did_type": DIDType.FILE} for key in keys],
        )


def add_datasets(session: Any) -> None:
    """Add the datasets."""
    names = {sample.dataset_name(number): number for number in range(sample.DATASETS)}
    did.add_dids([child(name) | {"type": DIDType.DATASET} for name in names], ROOT, session=session)
    attachments = [
        child(name) | {"dids": [child(sample.file_name(number, one)) for one in range(sample.FILES_PER_DATASET)]}
        for name, number in names.items()
    ]
    did.attach_dids_to_dids(attachments, ROOT, session=session)


main(Path(sys.argv[1]), int(sys.argv[2]))
