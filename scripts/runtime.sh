#!/usr/bin/env bash
# Sets up what the runtime tests need: the oracle's own copy (it writes beside itself), podman and runc, the images.
# As root on Debian; what is there is kept: 5 minutes the first time, a second afterwards. Prints the copy's folder.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${KRM_HARDEN_SHARED:-$PWD/../shared}/runtime
copy=${KRM_HARDEN_RUNTIME:-${XDG_CACHE_HOME:-$HOME/.cache}/krm-harden-runtime}

[ "$(id -u)" = 0 ] || { echo "$0: error: podman must run pods as root here: run it as root" >&2; exit 1; }
if [ ! -x "$copy/run-pod.py" ]; then
  [ -d "$shared" ] || { echo "$0: error: no oracle in $shared: KRM_HARDEN_SHARED names the folder above it" >&2; exit 1; }
  mkdir -p "$copy"
  cp -r "$shared/." "$copy/"
fi
cp -r tests/data/runtime/images/. "$copy/images/"
"$copy/setup.sh" >&2
# A folder of its own for podman's state: `podman system reset` of another store empties the one that all share.
runroot=$(sed -n 's/^runroot = "\(.*\)"/\1/p' "$copy/etc/storage.conf")
sed -i -e '/^tmp_dir = /d' -e "s|^\[engine\]|&\ntmp_dir = \"$runroot/libpod\"|" "$copy/etc/containers.conf"
"$copy/build-images.sh" >&2
echo "$copy"
