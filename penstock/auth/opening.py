"""How a process gets its authenticator: a plugin of the group ``penstock.authenticators``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from penstock.auth.principal import AnonymousOnly, Authenticator
from penstock.clock import Clock
from penstock.plugins import Group, Registry
from penstock.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatorPlugin:
    """A way to tell callers apart.

    Parameters
    ----------
    open
        Makes the authenticator; what must be closed is registered on the stack.
    security_methods
        The standardIDs that a capability declares, known before anything is opened.
    """

    open: Callable[[Settings, Clock, AsyncExitStack], Awaitable[Authenticator]]
    security_methods: tuple[str, ...]


AUTHENTICATORS: Registry[AuthenticatorPlugin] = Registry(Group.AUTHENTICATORS, AuthenticatorPlugin)


async def open_authenticator(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Authenticator:
    """Open the authenticator that the settings name.

    Raises
    ------
    PluginError
        There is none of that name.
    SettingsError
        It cannot work with the settings.
    """
    return await AUTHENTICATORS.get(settings.authenticator).open(settings, clock, stack)


def security_methods(settings: Settings) -> tuple[str | None, ...]:
    """Return what `Interface.security_methods` is for an interface whose callers may authenticate, or not."""
    methods = AUTHENTICATORS.get(settings.authenticator).security_methods
    return (None, *methods) if methods else ()


async def _open_anonymous(_settings: Settings, _clock: Clock, _stack: AsyncExitStack) -> Authenticator:
    return AnonymousOnly()


anonymous = AuthenticatorPlugin(open=_open_anonymous, security_methods=())
