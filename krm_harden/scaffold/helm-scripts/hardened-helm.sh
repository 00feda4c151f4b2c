#!/bin/sh
# helm with the post-renderer: ./hardened-helm.sh upgrade --install shop ./chart
# Helm 4 calls the plugin: `helm plugin install ./helm-plugin`, once. Helm 3 calls krm-harden itself, and sends it no
# hooks. Helm tells nothing of what a post-renderer says: the report is in KRM_HARDEN_REPORT, and shown where helm fails.
# HELM names another helm.
set -eu
policy=${KRM_HARDEN_POLICY:-$(dirname -- "$0")/policy.yaml}
helm=${HELM:-helm}
report=${KRM_HARDEN_REPORT:-$(mktemp)}
case $("$helm" version --short) in
  v3.*) set -- "$@" --post-renderer krm-harden --post-renderer-args helm ;;
  *) set -- "$@" --post-renderer krm-harden ;;
esac
code=0
KRM_HARDEN_REPORT=$report "$helm" "$@" --post-renderer-args "--policy=$policy" || code=$?
if [ "$code" -ne 0 ] && [ -s "$report" ]; then cat -- "$report" >&2; fi
if [ -z "${KRM_HARDEN_REPORT:-}" ]; then rm -f -- "$report"; fi
exit "$code"
