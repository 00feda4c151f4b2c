#!/bin/bash
# The sidecar's pod without a container engine: mounts and processes of its own, a read-only root, a /tmp in memory,
# user and group 999, no capability, no new privileges, an empty environment, argocd-cmp-server as process 1.
#
#     side.sh SERVER CONFIG_FOLDER SOCKET_FOLDER PATH [NAME=FOLDER ...] [-- VARIABLE=VALUE ...]
#
# Each FOLDER is /run/side/NAME in there.
exec unshare -m -p -f --mount-proc bash -c '
  set -e
  server=$1 config=$2 sockets=$3 path=$4
  shift 4
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/side/config /run/side/sockets
  touch /run/side/argocd-cmp-server
  mount --bind "$server" /run/side/argocd-cmp-server
  mount --bind "$config" /run/side/config
  mount --bind "$sockets" /run/side/sockets
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    mkdir "/run/side/${1%%=*}"
    mount --bind -o ro "${1#*=}" "/run/side/${1%%=*}"
    shift
  done
  [ $# = 0 ] || shift
  chown 999:999 /run/side/sockets
  mount -o remount,bind,ro /
  mount -t tmpfs -o mode=1777,size=256m tmpfs /tmp
  mount -o remount,ro /run
  mount -t tmpfs -o ro tmpfs /dev/shm
  mount -t tmpfs -o ro tmpfs /var/tmp
  exec setpriv --reuid=999 --regid=999 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
    env -i PATH="$path" HOME=/ ARGOCD_PLUGINSOCKFILEPATH=/run/side/sockets "$@" \
    /run/side/argocd-cmp-server --config-dir-path /run/side/config --logformat text
' side "$@"
