#!/usr/bin/env bash
# The image's root file system, into a folder: krm-harden's own folder, glibc below it, and the names of its users.
# No shell, no package manager. Called by the Dockerfile, as root.
set -euo pipefail
root=$1
cd "$(dirname "$0")/../.."

TOOLS=$(mktemp -d) && export TOOLS
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

# What of glibc the folder's programs ask for, at the paths where they do.
find "$root/opt/krm-harden" \( -name '*.so*' -o -path '*/bin/python3*' \) -type f -exec ldd {} + |
  grep -o '/[^ ]*' | grep -v -e "^$root" -e ':$' | sort -u |
  while read -r file; do
    case $(dpkg -S "$file" 2>/dev/null || dpkg -S "/usr$file") in
      libc6:*) install -D "$file" "$root$file" ;;
    esac
  done
cp -L /usr/bin/tini-static "$root/usr/bin/tini"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
ln -s /opt/krm-harden/krm-harden "$root/usr/local/bin/krm-harden"

# Each package with its licence; what the folder has is there already. Scanners of images read status.d.
documents=$root/usr/share/doc
added=(ca-certificates libc6 tini)
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
