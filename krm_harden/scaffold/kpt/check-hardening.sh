#!/bin/sh
# The gate: renders this package, writes none of its files, and judges what came out. Exit code 0 only if all is in order
# or exempt. Arguments go to `krm-harden check`.
set -eu
cd -- "$(dirname -- "$0")"
rendered=$(mktemp)
trap 'rm -f -- "$rendered"' EXIT
kpt fn render --allow-exec --output unwrap . > "$rendered"
krm-harden check --policy "${KRM_HARDEN_POLICY:-policy.yaml}" "$@" - < "$rendered"
