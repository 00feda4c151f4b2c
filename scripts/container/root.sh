#!/usr/bin/env bash
# The image's root file system, into a folder: krm-harden's own folder, tini, certificates and the names of users.
# No shell, no package manager. Called by the Dockerfile, as root.
set -euo pipefail
root=$1
cd "$(dirname "$0")/../.."

TOOLS=$(mktemp -d) && export TOOLS
trap 'rm -rf "$TOOLS"' EXIT
scripts/relocatable.sh "$root/opt/krm-harden"

mkdir -p "$root"/{etc/ssl/certs,usr/bin,usr/lib/ssl,usr/local/bin,usr/share/doc,var/lib/dpkg/status.d,home/argocd}
mkdir -m 1777 "$root/tmp"
chown 999:999 "$root/home/argocd"
cat > "$root/etc/passwd" <<'USERS'
root:x:0:0:root:/root:/sbin/nologin
argocd:x:999:999:the sidecar of Argo CD:/home/argocd:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
USERS
printf 'root:x:0:\nargocd:x:999:\nnogroup:x:65534:\n' > "$root/etc/group"

cp -L /usr/bin/tini-static "$root/usr/bin/tini"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
ln -s /opt/krm-harden/krm-harden "$root/usr/local/bin/krm-harden"

# Each package with its licence; what the folder has is there already. Scanners of images read status.d.
documents=$root/usr/share/doc
added=(ca-certificates tini)
for package in "${added[@]}"; do
  install -D -m 644 "/usr/share/doc/$package/copyright" "$documents/$package/copyright"
done
install -d "$documents/krm-harden"
inside=$root/opt/krm-harden/share/doc
"$TOOLS/bin/python" scripts/container/sbom.py "$inside/krm-harden/sbom.cdx.json" "${added[@]}" \
  > "$documents/krm-harden/sbom.cdx.json"
for package in "${added[@]}" $(ls "$inside" | grep -vx krm-harden); do
  dpkg-query -s "$package" > "$root/var/lib/dpkg/status.d/$package"
done
