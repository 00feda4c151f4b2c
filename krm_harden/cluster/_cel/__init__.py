"""Expressions in CEL, the language of admission policies: what a cluster evaluates in place of our Python.

    words     literals, lists of names, globs
    checks    the checks of the Pod Security Standard, in its words
    matching  what exemptions and rules match: a pod's workload, namespace and labels
    judging   the variables and the one validation of a policy: what every target that speaks CEL takes
    writing   what `fix` writes where a pod says nothing, as JSON patches

An expression reads `object` and, by `variables.NAME`, what stands above it. The pods of all kinds are read through
`variables.pod`, so one policy judges Pods and what makes them. `server` is the version of Kubernetes that evaluates:
Kubernetes lets new objects use what the minor version before it knew (k8s.io/apiserver, pkg/cel/environment/base.go).
"""
