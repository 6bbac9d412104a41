"""What the standards demand, and where it is coded, tested and checked: the source of docs/requirements.md.

The tables (``*.toml``) hold every requirement in our own words, under a number, with the clause that it comes from.
The rest is read off the tree, so that it cannot grow old: code cites clauses, tests name numbers with
``@pytest.mark.requirement("U-053")``, and the tables name the checks of the conformance suite.
``make requirements`` writes the page.
"""
