"""The aiohttp edge: negotiation, error rendering, streaming, absolute URLs."""
