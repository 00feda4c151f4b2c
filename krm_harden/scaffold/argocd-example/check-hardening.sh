#!/bin/sh
# The gate: makes an application's objects as the plugin does, and judges them: ./check-hardening.sh overlays/production
# Exit code 0 only if all is in order or exempt.
set -eu
policy=${KRM_HARDEN_POLICY:-$(cd -- "$(dirname -- "$0")" && pwd)/krm-harden/policy.yaml}
rendered=$(mktemp)
trap 'rm -f -- "$rendered"' EXIT
(cd -- "${1:?name the folder of an application}" && krm-harden argocd --policy "$policy") > "$rendered"
krm-harden check --policy "$policy" - < "$rendered"
