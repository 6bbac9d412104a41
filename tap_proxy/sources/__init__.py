"""Places that answer queries: each a module, each a `tap_proxy.ports.TapSource`."""
