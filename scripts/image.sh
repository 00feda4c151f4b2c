#!/usr/bin/env bash
# Builds the container image with podman of Debian's and PyPI's packages alone, without a registry. As root, on Debian.
#
# Prints the name of the image. The base is Debian bookworm by debootstrap. It, podman's configuration and its store lie
# in a folder of their own, ${KRM_HARDEN_IMAGE:-~/.cache/krm-harden-image}, and are kept there: three minutes the first
# time, half a minute after a change, seconds where nothing has changed. `. FOLDER/env.sh` for podman on that store.
set -euo pipefail
cd "$(dirname "$0")/.."
name=registry.example/krm-harden
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' krm_harden/__init__.py)
cache=${KRM_HARDEN_IMAGE:-${XDG_CACHE_HOME:-$HOME/.cache}/krm-harden-image}
base=localhost/krm-harden/base:bookworm
die() { echo "$0: error: $1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "podman needs root here; elsewhere: podman build -t $name:v$version ."
for program in podman runc debootstrap; do
  command -v "$program" >/dev/null || die "no $program: apt-get install --no-install-recommends podman runc debootstrap"
done

# A limit of this shell, for podman can't give more than it has; of its own, nproc, it has less than unlimited.
limit() {
  local most
  most=$(ulimit -H "$1")
  [[ $most == unlimited || $most -gt 16384 ]] && most=16384
  echo "$most:$most"
}

# Podman's state beside the cache, its locks and sockets in a short folder per cache: it refuses long names of them.
configure() {
  local run
  run=/run/krm-harden-$(cksum <<< "$cache" | cut -d' ' -f1)
  mkdir -p "$cache/storage" "$run"
  cat > "$cache/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=$(limit -n)", "nproc=$(limit -u)"]
log_driver = "k8s-file"
base_hosts_file = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$run/libpod"
CONF
  cat > "$cache/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$cache/storage"
runroot = "$run"
CONF
  printf 'export %q\n' "CONTAINERS_CONF=$cache/containers.conf" "CONTAINERS_STORAGE_CONF=$cache/storage.conf" \
    > "$cache/env.sh"
}

import_base() {
  podman image exists "$base" && return
  local root=$cache/base
  rm -rf "$root"
  debootstrap --variant=minbase bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}" \
    > "$cache/debootstrap.log" 2>&1 || die "debootstrap failed; $cache/debootstrap.log says why"
  tar -C "$root" --exclude=./etc/resolv.conf --exclude='./var/cache/apt/archives/*.deb' -c . |
    podman import -q -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$base" >/dev/null
  rm -rf "$root"
}

# build TAG ARGUMENT...
build() {
  local tag=$1 secrets=() certificates=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
  local config=${PIP_CONFIG_FILE:-/etc/pip.conf}
  [ ! -f "$certificates" ] || secrets+=(--secret "id=ca,src=$certificates")
  [ ! -f "$config" ] || secrets+=(--secret "id=pip,src=$config")
  podman build -q --network host --pull=never --layers "${secrets[@]}" \
    --timestamp "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}" \
    --build-arg "BASE_IMAGE=$base" "${@:2}" -t "$tag" . > "$cache/build.log" 2>&1 ||
    { tail -25 "$cache/build.log" >&2; die "the build of $tag failed; $cache/build.log has more"; }
}

configure
. "$cache/env.sh"
import_base
# The first stage has a name, so its layers stay for the next build; those of the last build go.
build localhost/krm-harden/build --target build
build "$name:v$version" --build-arg "VERSION=$version" \
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
podman image prune -f >/dev/null ||
  echo "$0: warning: images of earlier builds stay, for a container uses one: podman ps --all --external" >&2
echo "$name:v$version"
