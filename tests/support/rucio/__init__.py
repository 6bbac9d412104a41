"""A real Rucio: its REST server, its daemons, WebDAV storage as three sites, and some thousand files.

Everything runs from a virtual environment of its own, since Rucio's dependencies are not ours; it is made once on a
machine and kept by what is in it. The transfer tool is the tests' own (`tests.support.rucio.daemons`), because those
that come with Rucio need FTS, Globus or qBittorrent; all else is as Rucio has it.

``python -m tests.support.rucio`` starts it for people, ``... install`` only makes the environment.
"""
