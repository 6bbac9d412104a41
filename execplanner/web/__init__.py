"""The Execution Planner and the Execution Broker over HTTP."""
