"""Settings of the Execution Planner."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from penstock.settings import Section


class Peer(BaseModel):
    """Another Execution Broker that is asked for offers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://\S+$", description="Its base URL: what comes before /requests")
    ivoid: str | None = Field(None, description="Its identifier; unset: its URL")
    token: SecretStr | None = Field(None, description="Bearer token by which we are known there")
    forward_token: bool = Field(
        default=False, description="Send the caller's own bearer token there: only to who may have it"
    )


class ExecPlannerSettings(Section):
    """``PENSTOCK_EXECPLANNER__...``, ``[execplanner]``."""

    facility_file: Path | None = Field(None, description="YAML record of the facility, where there is one only")
    facility_dir: Path | None = Field(
        None, description="Directory of YAML records, one of each facility; unset: this host, unless the table has some"
    )
    reread_s: float = Field(30.0, gt=0, description="Seconds after which changed records of facilities are read again")
    max_document_bytes: int = Field(1024 * 1024, ge=1024, description="Largest document that is read")
    standard_id: str | None = Field(
        None,
        pattern=r"^ivo://\S+$",
        description="Identifier of the interfaces in capabilities, before the #; unset: one of this authority",
    )
    offer_valid_s: float = Field(300.0, ge=1, description="Seconds for which an offer is valid")
    max_offers: int = Field(4, ge=1, le=100, description="Most offers in one answer; MAXOFFERS asks for fewer")
    max_open_offers: int = Field(100, ge=0, description="Most open offers of one owner; 0: no limit")
    max_open_offers_anonymous: int = Field(
        1000, ge=0, description="Most open offers of all anonymous callers together; 0: no limit"
    )
    default_duration_s: float = Field(
        3600.0, gt=0, description="Seconds that a session lasts whose request says nothing"
    )
    horizon_d: float = Field(7.0, gt=0, le=366, description="Days in which a session may begin that may begin any time")
    keep_offers_d: float = Field(2.0, gt=0, description="Days after which offers that nobody accepted are forgotten")
    assumed_bytes: int = Field(10**9, ge=0, description="Size that data are taken to have whose size nobody knows")
    file_roots: tuple[Path, ...] = Field((), description="Directories of this host that file: URLs may name")
    max_data_bytes: int = Field(10**11, ge=1, description="Largest file that is fetched for a session")
    max_log_bytes: int = Field(10**8, ge=0, description="Most bytes of stdout and of stderr that are kept as results")
    tend_every_s: float = Field(2.0, gt=0, description="Seconds between looks at sessions that wait or have ended")
    max_wait_s: float = Field(60.0, ge=0, description="Longest WAIT of a request for a session")
    peers: tuple[Peer, ...] = Field((), description="Other Execution Brokers that are asked for offers, too")
    discover_peers: bool = Field(
        default=False, description="Ask all Execution Brokers of the registry (rr.*) that anybody may use, too"
    )
    peer_timeout_s: float = Field(2.0, gt=0, le=60, description="Seconds in which a peer must answer")
    max_peers: int = Field(50, ge=0, description="Most peers that are asked at once")
