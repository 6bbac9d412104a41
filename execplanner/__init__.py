"""Execution Planner and Execution Broker: where can this run, next to this data?"""
