"""The data lake that Rucio keeps: read and staged over its REST interface, harvested into the catalogue.

One client serves all processes (`penstock.lake.rucio.client`). Rucio's own Python client would not do in a process with
many users: it blocks, takes no token, and keeps the one that it has in a file by account.
"""
