"""`krm-harden policy init`: a policy with every common field explained, and the settings of a profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden import schema
from krm_harden.commands import _replace, _streams
from krm_harden.errors import ConfigError, InputError
from krm_harden.merging import combined
from krm_harden.model import mapping

if TYPE_CHECKING:
    import argparse

SUMMARY = "write a policy that explains its fields, with the settings of a profile"
EXAMPLES = """\
examples:
  krm-harden policy init                              policy.yaml, for restricted
  krm-harden policy init --profile audit audit.yaml   warns, and writes only what is sure
  krm-harden policy init -                            onto standard output

A file that is there is never overwritten.

exit codes: 0 done, 2 the file can't be written, 3 it is there already, or a wrong command line
"""
DEFAULT_FILE = "policy.yaml"

HEAD = """\
# yaml-language-server: $schema={address}
#
# What krm-harden checks and writes, and how far it goes. `krm-harden policy check FILE` looks it over,
# `krm-harden policy show --policy FILE --for MANIFEST` says what holds for an object.
# A field without its # would say what already holds, or is an example; docs/policy.md has every field.
apiVersion: {api_version}
kind: {kind}
metadata:
  name: {profile}
  annotations:
    # Never applied to a cluster.
    config.kubernetes.io/local-config: "true"
spec:
"""
BODY = """\
  # A ready policy that the fields below change: {profiles}.
  profile: {profile}

  # The Pod Security Standard to reach: privileged, baseline or restricted.
  #level: {level}
  # Its version: latest, or pinned so that an update of krm-harden judges the same.
  #version: {version}

  # How far to go where a manifest says nothing. additive: only what has no known way to break; evidence: also what is
  # known of the images; complete: also defaults for images that nobody described.
  #changes: {changes}
  # What to do with weaker values that an author wrote: respect them and report an error, or override them.
  #explicit: {explicit}
  # Whether what stays open fails the run: Fail or Warn.
  #onViolation: {onViolation}
  # Whether Jobs and bare Pods, which can't be updated in place, change: fix or skip.
  #immutable: {immutable}
  # Images that nobody described: uid writes one, report is an error, userNamespace writes hostUsers: false.
  #unknownUser: {unknownUser}
  # Whether objects may exempt themselves by an annotation: ignore or allow.
  #exemptionAnnotations: {exemptionAnnotations}

  # The cluster: its version caps that of the standard; openshift gives ids itself.
  #target:
  #  kubernetes: "1.37"
  #  platform: kubernetes

  # The labels of Pod Security Admission that Namespaces get: a level, none, or auto, which enforces the level as soon
  # as nothing in the input would be stopped by it.
  #namespaces:
  #  enforce: none
  #  audit: {level}
  #  warn: {level}

  # Settings of one control; `krm-harden explain` lists them.
  #controls:
  #  readOnlyRootFilesystem: {{writablePaths: [/tmp]}}
  #  seccompProfile: {{explicit: override}}

  # A PodSecurityPolicy of older clusters, which holds too. A manifest of one may also be given in place of this file.
  #podSecurityPolicy:
  #  name: nonroot
  #  spec:
  #    runAsUser: {{rule: MustRunAsNonRoot}}
  #    seLinux: {{rule: RunAsAny}}
  #    supplementalGroups: {{rule: RunAsAny}}
  #    fsGroup: {{rule: MustRunAs, ranges: [{{min: 1, max: 65535}}]}}
  # Whether those among the manifests hold, for whom the Roles and bindings beside them say: ignore or items.
  #podSecurityPolicies: ignore

  # What you know of your images; `krm-harden images resolve` finds out more. The longest match wins.
  #images:
  #- match: "registry.example/shop/*"
  #  uid: 1000
  #  gid: 1000
  #  writablePaths: [/tmp]

  # Other settings for some objects; the narrowest match is applied last.
  #rules:
  #- match: {{namespaces: ["batch-*"], kinds: [Job, CronJob]}}
  #  changes: additive

  # What input may cost at most; docs/limits-settings.md lists all limits.
  #limits:
  #  documents: 50000
  #  bytes: 104857600

  # What stays as it is, and why; each error of a run holds the exemption to paste here.
  #exemptions:
  #- match: {{kinds: [DaemonSet], namespaces: [monitoring], names: [node-exporter]}}
  #  controls: [hostNamespaces, hostPorts]
  #  reason: reads the host's metrics
  #  expires: "2030-06-30"
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "file", nargs="?", default=DEFAULT_FILE, metavar="FILE", help=f"the new file, or -; default: {DEFAULT_FILE}"
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        choices=schema.PROFILES,
        default=schema.PROFILES[0],
        help=f"what it is to say: {', '.join(schema.PROFILES)}; default: {schema.PROFILES[0]}",
    )


def run(options: argparse.Namespace) -> int:
    """0. Raises KrmHardenError; then nothing is written."""
    made = text(options.profile)
    if options.file == "-":
        _streams.print_report(made)
        return 0
    _write(Path(options.file), made)
    _streams.print_lines(
        [
            f"wrote {options.file}",
            f"next: krm-harden policy check {options.file}",
            f"      krm-harden fix --diff --policy {options.file} FOLDER",
        ]
    )
    return 0


def text(profile: str) -> str:
    """The whole policy."""
    settings = combined([], profile).effective(())
    said: dict[str, Any] = {name: value for name, value in settings.items() if not mapping(value)}
    return HEAD.format(
        address=schema.ADDRESS, api_version=schema.API_VERSION, kind=schema.KIND, profile=profile
    ) + BODY.format(profile=profile, profiles=", ".join(schema.PROFILES), **said)


def _write(path: Path, made: str) -> None:
    """A new file, whole or not at all. Raises ConfigError where one is there, InputError where none can be."""
    try:
        # Somebody else may have been faster: then theirs stays.
        _replace.add(path.parent, path.name, made.encode())
    except FileExistsError:
        raise ConfigError("is there, and stays as it is", str(path), "name another file") from None
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}", next_step="nothing was written") from None
