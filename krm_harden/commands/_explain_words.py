"""What the words of reports and policies mean, for `explain`: states, risks, codes, choices."""

from __future__ import annotations

STATES = {
    "fixed": (
        "`krm-harden fix` writes the secure value.",
        "Review its diff. Where its risk is `may-break`, try it before it goes to production.",
    ),
    "open": (
        "It isn't as it should be, and `krm-harden fix` could change that; `check` writes nothing.",
        "Run `krm-harden fix`, or `krm-harden fix --diff` first.",
    ),
    "exempt": (
        "An exemption of the policy leaves it alone. The verdict doesn't change: a namespace that enforces the level "
        "still refuses the pod.",
        "Nothing, until the exemption's `expires` has passed: then it is a warning, and `check` fails.",
    ),
    "deferred": (
        "It could be written, but the policy stops before it: `changes` is additive or evidence and this is less sure, "
        "or `immutable: skip` leaves Jobs and bare Pods alone. Or it is a vulnerability that the policy puts up with.",
        "Set `changes: complete` once the surer changes run, or describe the image, which makes it evidence.",
    ),
    "explicit": (
        "The author wrote a weaker value on purpose, and `explicit: respect` keeps it.",
        "Change it by hand, exempt it with a reason, or let `explicit: override` replace it.",
    ),
    "manual": (
        "Nothing safe can be written: data, ports or privileges would be lost, or nobody knows what to write.",
        "The message says what to write instead; an exemption accepts it as it is.",
    ),
    "refused": (
        "It would stop the container: beside what the manifest asks for, or because the image can't run restricted. Or "
        "the document can't be edited safely. Half a hardening is worse than none, so nothing is written there.",
        "Its `code` says which sort of reason it is: `krm-harden explain code` lists them.",
    ),
    "stale": (
        "A default that krm-harden wrote stands in the manifest, and the policy or a lock now knows better.",
        "Replace it by the value in the message; krm-harden doesn't, for by now somebody may rely on it.",
    ),
    "immutable": (
        "A Job or a bare Pod changed. Such objects can't be updated: an apply over the old one fails "
        "(`field is immutable`).",
        "Delete the old object first, let `kubectl replace --force` do it, or set `immutable: skip`.",
    ),
    "unused": (
        "The annotation `krm-harden.dev/exempt` of an object has no effect: the policy ignores it, it isn't "
        "understood, or nothing is there that it exempts from.",
        "Delete it, or set `exemptionAnnotations: allow` in the policy.",
    ),
}
"""Each state: what it means, and what to do."""
RISKS = {
    "safe": "Nothing is known to break by it, or the manifest itself shows that it fits.",
    "evidence": "The policy, a lock or the catalogue knows it of the image; `evidence` names who.",
    "may-break": "A default, because nobody described the image. Describe it under `images` in the policy, or run "
    "`krm-harden images resolve`: the change becomes `evidence`.",
    "none": "Nothing is written.",
}
TO_BE_TRIED = (
    "Nothing in the manifests shows that it asks the Kubernetes API, and nothing can show that it doesn't: try it."
)
CODES = {
    "needs-root": (
        "The image, or a program in the container's command, works only as root.",
        "Look for an image that doesn't (nginx: nginxinc/nginx-unprivileged), or exempt it and put it in a namespace "
        "of level baseline.",
    ),
    "host-agent": (
        "An agent of the node: it reads or changes the node itself, which restricted is there to prevent.",
        "Put it in a namespace of its own, of level privileged, and exempt it.",
    ),
    "switches-users": (
        "It starts as root and runs its parts as several other users (cron, sshd, mail servers).",
        "Split it, one user each, or exempt it.",
    ),
    "file-capability": (
        "A program that it starts has a file capability other than NET_BIND_SERVICE: with all capabilities dropped the "
        "kernel doesn't execute it.",
        "Build the image without it (`setcap -r`), or exempt the container from capabilities_restricted.",
    ),
    "writes-to-root": (
        "Its command writes a file right into `/`, and no volume can make that folder writable.",
        "Write to a folder instead, which gets a volume.",
    ),
    "changes-owners": (
        "It changes the owners of files, which takes root.",
        "Set `controls.fsGroup.replaceChown: true`: an fsGroup takes the place of an init container that does no more.",
    ),
    "gains-privileges": (
        "A probe saw it call sudo, su or another program with the setuid bit.",
        "Start it as the user that it needs; or exempt it from allowPrivilegeEscalation.",
    ),
    "fails-restricted": (
        "A probe ran it: as it is it works, restricted it doesn't. The reason has what it said last.",
        "Give it what it misses (a folder, a user) under `images` in the policy, and probe again.",
    ),
    "windows": (
        "An image for Windows: users, capabilities and profiles of Linux mean nothing to it.",
        "Set `spec.os.name: windows` in the pod: then only what Windows has is asked for.",
    ),
    "needs-own-folder": (
        "Its program insists on owning its data folder, which a fresh volume doesn't let it (Postgres' initdb).",
        "Set `controls.numericUser.dataSubfolder: true` (the default), or the program's variable to a folder below.",
    ),
    "needs-init-copy": (
        "It writes a folder in which its image ships files: an emptyDir there would hide them.",
        "Set `controls.readOnlyRootFilesystem.initCopy: true`: an init container copies them; or mount a volume.",
    ),
    "unknown-image": (
        "Nobody described the image, and `unknownUser: report` or `userNamespace` lets no uid be made up for it.",
        "Describe it under `images` in the policy, or run `krm-harden images resolve`.",
    ),
}
"""Each code: why something is refused or left to people, and what to do."""
NOTICES = {
    "exemptions": "Exemptions that an object claims by its annotation. Its findings have the state `unused`.",
    "immutable": "Changes of objects that an apply can't update. Its findings have the state `immutable`.",
}
"""What a report names in a control's place."""
CHOICES = {
    "level": {
        "privileged": "no pod is judged by the standard at all",
        "baseline": "known ways to the node are closed; containers may still be root",
        "restricted": "baseline, and no root, no capabilities, a seccomp profile, volumes of few kinds",
    },
    "changes": {
        "additive": "writes only what has no known way to break",
        "evidence": "writes that, and what is known of the image",
        "complete": "writes that, and defaults for images that nobody described",
    },
    "explicit": {
        "respect": "weaker values that the author wrote stay, and are errors",
        "override": "weaker values that the author wrote are replaced",
    },
    "onViolation": {
        "Warn": "what stays open is a warning: no run fails, so no gate holds",
        "Fail": "what stays open fails the run",
    },
    "immutable": {
        "skip": "Jobs and bare Pods stay as they are",
        "fix": "Jobs and bare Pods change too",
    },
    "unknownUser": {
        "userNamespace": "an image that nobody described keeps its user, in a user namespace",
        "uid": "an image that nobody described gets uid 10001, marked may-break",
        "report": "an image that nobody described is an error until somebody does",
    },
    "exemptionAnnotations": {
        "allow": "whoever writes a manifest may exempt it, by an annotation",
        "ignore": "only the policy exempts",
    },
}
"""The choices of a policy, from soft to strict, and what each does."""
SOFTER = {
    "privileged": "no pod is judged by the standard: only controls that are switched on are checked",
    "level": "what restricted asks for isn't checked: a namespace with `enforce: restricted` would refuse such pods",
    "changes": "what is less sure stays as it is, as `deferred`: this is for the first steps, not the last",
    "onViolation": "`check` passes whatever is open: use it to look, not as a gate",
    "immutable": "their pods stay as they are until somebody changes them by hand",
    "unknownUser": "root stays root in its container, and only kernels and runtimes with user namespaces run it",
    "exemptionAnnotations": "the author of a manifest decides what holds for it: right only where reviewers see it",
    "a control of the standard": "a namespace that enforces the level refuses such pods still",
    "a control beyond it": "no server asks for that; containers are less well protected",
}
"""Why it matters that a choice is softer than the default, or a control off."""
