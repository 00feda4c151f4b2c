"""Network policies from what manifests show: who calls whom, and the rules that let through just that.

One direction, pure functions: objects -> `inventory` (workloads, Services) -> `texts` and `mentions` (what names a
Service, and where) -> `calls` (flows with their evidence) -> `policies` (NetworkPolicies) and `picture`. `evaluate` is
a NetworkPolicy's meaning; `existing` holds the policies that are there against the flows.
"""
