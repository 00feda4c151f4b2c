"""PodSecurityPolicy as it was in Kubernetes 1.24: what it made of a pod, what it refused, and who could use it.

    policy     a manifest -> PodSecurityPolicy, its defaults filled in; validation: what the API refused in one
    created    a pod template -> the pod that the admission saw
    fields/    one file per field of the policy: what it sets where the pod says nothing, what it refuses
    admission  PodSecurityPolicy, pod -> Outcome: what it sets, then what it refuses
    acceptance what the API server refuses in a pod because of what was set
    rbac       Roles, ClusterRoles and bindings -> who may use which policy
    selection  the policies that a pod may use, pod -> Chosen: the one that admits it

The rule is the code of Kubernetes 1.24: pkg/security/podsecuritypolicy, and the admission plugin of that name.
Nothing of this is loaded unless a PodSecurityPolicy is met.
"""
