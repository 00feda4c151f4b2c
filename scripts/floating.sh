#!/usr/bin/env bash
# The floating tags that a release moves: scripts/floating.sh v1.4.2 prints `v1.4` and `v1`, a line each.
#
# Only where no newer release of that line is tagged: a fix of 1.3 doesn't take v1 back. Before 1.0 there is no `v0`, for
# a minor version may change what is written.
set -euo pipefail
[[ ${1:-} =~ ^v([0-9]+)\.([0-9]+)\.[0-9]+$ ]] || { echo "usage: $0 vX.Y.Z" >&2; exit 1; }
major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}
cd "$(dirname "$0")/.."
for line in "v$major.$minor" "v$major"; do
  [ "$line" != v0 ] || continue
  newest=$({ git tag --list "$line.*"; echo "$1"; } | grep -Ex 'v[0-9]+\.[0-9]+\.[0-9]+' | sort -V | tail -1)
  [ "$newest" != "$1" ] || echo "$line"
done
