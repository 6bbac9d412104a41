#!/usr/bin/env bash
# Judge GAVO's DaCHS with our conformance suite, and harvest its registry: a peer that others wrote.
# Opt-in (`make dachs`), since it installs a Debian package with a database of its own; docs/dachs.md says what was found.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(realpath "${1:-.venv/bin}")
reports=${2:-$(mktemp -d)}
mkdir -p "$reports"
reports=$(realpath "$reports")
port=18777
root=http://127.0.0.1:$port

export DEBIAN_FRONTEND=noninteractive
# Its set-up needs the database that a dependency brings, so that one comes first and is started.
apt-get install -y -qq --no-install-recommends postgresql
pg_ctlcluster 15 main start 2>/dev/null || true
apt-get install -y -qq --no-install-recommends gavodachs2-server

cat > /etc/gavo.rc <<END
[web]
serverPort: $port
serverURL: $root
bindAddress: 127.0.0.1
[ivoa]
authority: example.dachs
END
cat > /var/gavo/etc/defaultmeta.txt <<END
publisher: Example Data Center
contact.name: Example Operator
contact.address: Example Street 1
contact.email: operator@example.org
creator.name: Example Operator
creator.logo: $root/favicon.png
_noresultwarning: Your query did not match any data.
authority.creationDate: 2026-01-01T00:00:00
authority.shortName: exampledc
authority.title: Authority of an example
authority.description: The naming authority of an example.
authority.referenceURL: $root/
authority.managingOrg: ivo://example.dachs/org
organization.title: Example Data Center
organization.description: An example data center
organization.referenceURL: $root/
organization.subject: virtual-observatories
site.description: An example installation.
END
mkdir -p /var/gavo/inputs/example
cp tests/peers/dachs.rd /var/gavo/inputs/example/q.rd
"$bin/python" tests/peers/dachs_stars.py > /var/gavo/inputs/example/stars.csv
chown -R dachsroot:gavo /var/gavo/inputs
as() { su "$1" -s /bin/bash -c "cd /tmp && $2"; }
as dachsroot "dachs imp example/q && dachs pub example/q && dachs pub //services && dachs imp //obscore"

as gavo "exec dachs serve debug" > "$reports/dachs.log" 2>&1 &
trap 'pkill -f "dachs serve" || true' EXIT
curl -sS -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused "$root/tap/availability"

for what in tap oai.xml example/q/cone; do
  "$bin/penstock-conformance" "$root/$what" --quiet --html "$reports/${what//\//-}.html" --json "$reports/${what//\//-}.json" || true
done
"$bin/penstock" registry harvest "$root/oai.xml" --allow-private --data "$reports/data" --json
echo "reports: $reports"
