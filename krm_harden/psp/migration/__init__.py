"""What takes the place of a cluster's PodSecurityPolicies, worked out from its objects. Pure: no files.

    objects    what was read -> Cluster: policies, who may use them, accounts, namespaces, workloads, and what is open
    choices    Cluster -> for each pod the policy that it got, with everything that was tried
    probes     a policy, a level -> for each field what gets looser or stricter, shown by pods that differ in one thing
    namespaces the hardened pods -> the labels that hold
    rules      which admission policy holds where, for what no level expresses
    leftovers  Roles and bindings -> what can be deleted, and the rules to take out
    plan       all of them together: Plan
    document   Plan -> the data of report.json
    markdown   that data -> REPORT.md
    steps      Plan -> STEPS.md, the commands in their order

What isn't sure is an Open: it is listed with its place, and nothing is written for it.
"""
