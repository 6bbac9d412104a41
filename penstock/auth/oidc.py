"""OpenID Connect: callers who bring an access token of an issuer that the deployment trusts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from penstock.auth.challenges import OAUTH, OPENID, Challenge, bearer, ivoa_bearer
from penstock.auth.discovery import fetch_keys, new_session
from penstock.auth.keys import IssuerKeys
from penstock.auth.opening import AuthenticatorPlugin
from penstock.auth.principal import ANONYMOUS, Authenticator, Principal
from penstock.auth.token import bearer_token, parse_token, principal_of_claims, verify_token
from penstock.clock import Clock
from penstock.dali.errors import AuthenticationRequired
from penstock.settings import Issuer, Settings, SettingsError


class OidcAuthenticator:
    """Tells callers apart by the bearer tokens of several issuers.

    Parameters
    ----------
    issuers
        Who is trusted.
    keys_of
        Gives the keys of an issuer.
    realm
        What challenges call the deployment.
    clock
        Against which the times of tokens are held.
    """

    security_methods = (OAUTH,)

    def __init__(
        self, issuers: Iterable[Issuer], keys_of: Callable[[Issuer], IssuerKeys], *, realm: str, clock: Clock
    ) -> None:
        self._trusted = {issuer.url: (issuer, keys_of(issuer)) for issuer in issuers}
        self._clock = clock
        self.challenges: tuple[Challenge, ...] = (
            bearer(realm),
            *(ivoa_bearer(OPENID, url) for url in self._trusted),
        )

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return the subject of the token, `ANONYMOUS` when no Authorization was sent.

        Raises
        ------
        AuthenticationRequired
            The token is not valid.
        ServiceUnavailable
            The issuer of the token is away and none of its keys is known.
        """
        authorization = headers.get("Authorization")
        if authorization is None:
            return ANONYMOUS
        text = bearer_token(authorization)
        token = parse_token(text)
        trusted = self._trusted.get(token.issuer)
        if trusted is None:
            raise AuthenticationRequired("The token is of an issuer that is not trusted here.")
        issuer, keys = trusted
        candidates = await keys.find(token.key_id)
        claims = verify_token(token, candidates, issuer=issuer, now=self._clock())
        return replace(principal_of_claims(claims, issuer), token=text)


async def _open(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Authenticator:
    issuers = settings.oidc.issuers
    if not issuers:
        raise SettingsError("authenticator oidc needs an issuer: set oidc.issuers (PENSTOCK_OIDC__ISSUERS)")
    session = await stack.enter_async_context(new_session())

    def keys_of(issuer: Issuer) -> IssuerKeys:
        keys = IssuerKeys(issuer.url, partial(fetch_keys, session, issuer.url), clock)
        stack.push_async_callback(keys.close)
        return keys

    return OidcAuthenticator(issuers, keys_of, realm=settings.authority, clock=clock)


plugin = AuthenticatorPlugin(open=_open, security_methods=OidcAuthenticator.security_methods)
