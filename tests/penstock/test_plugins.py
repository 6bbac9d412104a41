from __future__ import annotations

import pytest

from penstock.plugins import Group, PluginError, Registry
from penstock.service import Service


def test_services_load_by_name() -> None:
    services = Registry(Group.SERVICES, Service)
    assert services.get("uws").path == "/uws"
    assert set(services.all()) == set(services.names())


def test_an_unknown_plugin_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(PluginError, match=r"no plugin 'nosuch'; installed: .*uws"):
        Registry(Group.SERVICES, Service).get("nosuch")


def test_a_plugin_of_another_kind_is_refused() -> None:
    with pytest.raises(PluginError, match="is not a str"):
        Registry(Group.SERVICES, str).get("uws")
