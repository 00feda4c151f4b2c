#!/bin/sh
# The gate: builds this kustomization by kubectl, with the plugin beside this file, and judges what came out. Exit code 0
# only if all is in order or exempt. Arguments go to `krm-harden check`.
set -eu
cd -- "$(dirname -- "$0")"
KUSTOMIZE_PLUGIN_HOME=$PWD/kustomize-plugins
export KUSTOMIZE_PLUGIN_HOME
built=$(mktemp)
trap 'rm -f -- "$built"' EXIT
kubectl kustomize --enable-alpha-plugins . > "$built"
krm-harden check --policy "${KRM_HARDEN_POLICY:-policy.yaml}" "$@" - < "$built"
