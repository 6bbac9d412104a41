"""The queue through which Celery carries attempts from the service to workers.

Celery is a doorbell, never trusted: a message says that an attempt waits, and the database alone says whether it does.
So a message may be lost, repeated or late. What was measured of Celery decides the settings: messages are acknowledged
before the job runs, because a broker that waits for the end of a long job delivers it again (Redis after its visibility
timeout, RabbitMQ after its consumer timeout, 30 minutes); Celery never retries, revokes or limits the time of anything,
because it would kill a process and leave its children; and only JSON is read.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from penstock.settings import Settings, SettingsError
from uws.settings import UwsSettings

TASK = "penstock.attempt"
PATIENCE_S = 4.0
_REDIS = ("redis://", "rediss://", "sentinel://")
_BROKERS = ("amqp://", "amqps://", *_REDIS)


def open_celery(settings: Settings) -> Celery:
    """Return the Celery application of a deployment; nothing is connected yet.

    Raises
    ------
    SettingsError
        No broker is set.
    """
    if settings.broker_url is None:
        raise SettingsError("jobs go through Celery, so broker_url must be set, such as redis://broker.example/0")
    url = settings.broker_url.get_secret_value()
    if not url.startswith(_BROKERS):
        raise SettingsError(f"setting broker_url: it begins with one of {', '.join(_BROKERS)}")
    queue = settings.section(UwsSettings).queue
    app = Celery("penstock", broker=url, set_as_current=False)
    app.conf.update(_CONFIGURATION)
    app.conf.update(
        task_default_queue=queue,
        control_exchange=f"{queue}.control",
    )
    app.conf.broker_transport_options = dict(_REDIS_OPTIONS if url.startswith(_REDIS) else _AMQP_OPTIONS)
    return app


_REDIS_OPTIONS = {
    "socket_timeout": PATIENCE_S,
    "socket_connect_timeout": PATIENCE_S,
    "socket_keepalive": True,
}
_HEARTBEAT_S = 10.0
_AMQP_OPTIONS = {
    "confirm_publish": True,  # else what goes into a dead connection is lost in silence
    # A worker that waits for an answer checks no heartbeat: so it waits as long as one may stay away. What is read when
    # something has come, as while nothing is to do, is not concerned.
    "read_timeout": 2 * _HEARTBEAT_S,
    "write_timeout": 2 * _HEARTBEAT_S,
}
_CONFIGURATION: dict[str, Any] = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "task_ignore_result": True,
    "task_acks_late": False,
    "task_default_delivery_mode": "transient",
    "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0},
    "broker_connection_timeout": PATIENCE_S,
    "broker_heartbeat": _HEARTBEAT_S,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # for ever
    "worker_prefetch_multiplier": 1,
    # After a connection is lost, Celery would ask for more messages as tasks begin, and with threads it asks in theirs,
    # beside the one that reads: each takes answers meant for the other, and waits for its own for ever.
    "worker_enable_prefetch_count_reduction": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}
