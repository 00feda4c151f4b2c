#!/bin/sh
# Flux runs no plugin: this writes the hardening as a Component of plain patches into hardening/, to be committed. Run it
# whenever this kustomization changes. `./harden.sh --check` writes nothing, and fails where the patches are stale or what
# Flux will build isn't in order: that is the gate for CI. Arguments go to `krm-harden patches`.
set -eu
cd -- "$(dirname -- "$0")"
policy=${KRM_HARDEN_POLICY:-policy.yaml}
work=$(mktemp -d ../.krm-harden.XXXXXX)
trap 'rm -rf -- "$work"' EXIT
"${KUSTOMIZE:-kustomize}" build . > "$work/plain.yaml"
krm-harden patches --policy "$policy" --output hardening "$@" - < "$work/plain.yaml"

# What Flux builds: this kustomization, then the Component.
here=$(basename -- "$PWD")
cat > "$work/kustomization.yaml" << END
resources: ["../$here"]
components: ["../$here/hardening"]
END
"${KUSTOMIZE:-kustomize}" build "$work" > "$work/hardened.yaml"
krm-harden check --policy "$policy" - < "$work/hardened.yaml"
