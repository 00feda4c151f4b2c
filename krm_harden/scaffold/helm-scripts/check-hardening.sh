#!/bin/sh
# The gate: renders a chart as hardened-helm.sh installs it, and judges what came out, its hooks too:
# ./check-hardening.sh shop ./chart. Exit code 0 only if all is in order or exempt.
set -eu
here=$(dirname -- "$0")
rendered=$(mktemp)
trap 'rm -f -- "$rendered"' EXIT
"$here/hardened-helm.sh" template "$@" > "$rendered"
krm-harden check --policy "${KRM_HARDEN_POLICY:-$here/policy.yaml}" - < "$rendered"
