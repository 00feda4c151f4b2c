#!/bin/sh
# The gate: judges the files of this package, which are what is applied, then what a render makes of them; it writes none
# of them. Exit code 0 only if all is in order or exempt: where it fails before `kpt fn render --allow-exec` and passes
# after it, commit what that wrote. Arguments go to `krm-harden check` of the files.
set -eu
cd -- "$(dirname -- "$0")"
policy=${KRM_HARDEN_POLICY:-policy.yaml}
rendered=$(mktemp)
trap 'rm -f -- "$rendered"' EXIT
kpt fn render --allow-exec --output unwrap . > "$rendered"
krm-harden check --policy "$policy" "$@" .
krm-harden check --policy "$policy" - < "$rendered" >&2
