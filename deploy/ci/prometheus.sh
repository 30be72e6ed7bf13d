#!/usr/bin/env bash
# Puts promtool, prometheus and amtool of Debian's packages into a folder, without installing the packages:
# no system service is made or started. prometheus.sh FOLDER; prints nothing when all is there.
set -euo pipefail

folder=${1:?prometheus.sh FOLDER}
if [[ -x $folder/promtool && -x $folder/prometheus && -x $folder/amtool ]]; then
    exit 0
fi

fail() {
    echo "takin: The tests of alerts need Prometheus' tools, and $1" >&2
    exit 2
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "this system has no apt-get to fetch them with: put promtool, prometheus and amtool into $folder."

echo "takin: fetching Prometheus' tools from the system's packages"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
fetch() {
    apt-get download prometheus prometheus-alertmanager
}
# The lists may be older than the packages; bringing them up to date needs rights that not everybody has.
if ! fetch >log 2>&1; then
    as_root=()
    ((EUID)) && as_root=(sudo -n)
    "${as_root[@]}" apt-get update >>log 2>&1 && fetch >>log 2>&1 || {
        tail -5 log >&2
        fail "they could not be fetched (apt-get's last words stand above)."
    }
fi
for package in *.deb; do
    dpkg-deb --extract "$package" unpacked
done
mkdir -p "$folder"
for tool in promtool prometheus amtool; do
    install -m 0755 "unpacked/usr/bin/$tool" "$folder/$tool.new"
    mv "$folder/$tool.new" "$folder/$tool"
done
