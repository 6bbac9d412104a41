"""Black-box checks of any IVOA service; imports nothing that it judges.

`conformance.runner.judge` runs the checks and returns a report, `conformance.cli` is the command, and a check is a
function with the decorator `conformance.registry.check` in a module of `conformance.checks`.
"""
