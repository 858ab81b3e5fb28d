#!/bin/sh
# Records a real run with failures that are provoked on purpose, and draws the dashboard from it.
#
# Needs `KEEP=1 make demo` in another terminal with its KUBECONFIG and PATH, prometheus in PATH (Debian: apt-get install
# prometheus), and a python3 with matplotlib as PYTHON.
#
#   tests/dashboard/record.sh METRICS_ADDRESS docs/images/dashboard.png
#
# The operator's log, which the demo names at its end, has the address.
set -eu
metrics=$1
picture=$2
here=$(dirname "$0")
sandbox=${SANDBOX:-http://127.0.0.1:8477}
port=${PROMETHEUS_PORT:-9099}
namespace=keywright-demo

directory=$(mktemp -d)
trap 'kill "$prometheus" 2> /dev/null; wait "$prometheus" 2> /dev/null; rm -rf "$directory"' EXIT
cat > "$directory/prometheus.yml" << END
global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: ["$(cd "$here/../.." && pwd)/charts/keywright/files/alerts.yaml"]
scrape_configs:
  - {job_name: keywright, honor_labels: true, static_configs: [{targets: ["$metrics"]}]}
END
prometheus --config.file="$directory/prometheus.yml" --storage.tsdb.path="$directory/data" \
  --web.listen-address="127.0.0.1:$port" > "$directory/log" 2>&1 &
prometheus=$!

say() { echo "$(date +%T) $1"; }
password() { kubectl patch secret didit-account -n "$namespace" --type=merge -p "{\"stringData\":{\"password\":\"$1\"}}" > /dev/null; }

began=$(date +%s)
kubectl apply -f "$here/resources.yaml" > /dev/null
say "resources, of which some are in trouble"
sleep 120
curl -fsS -H 'Content-Type: application/json' -d '{"on":true}' "$sandbox/_sandbox/outage"
say "the identity API is down"
sleep 75
curl -fsS -H 'Content-Type: application/json' -d '{"on":false}' "$sandbox/_sandbox/outage"
say "it is back"
sleep 75
password wrong
say "its account has a wrong password"
sleep 150
password only-for-the-sandbox
say "and the right one again"
sleep 60
kubectl delete secret payments-didit reports-token -n "$namespace" > /dev/null
say "two Secrets were deleted"
sleep 45
say "alerts that fired: $(curl -fsSG "http://127.0.0.1:$port/api/v1/query" --data-urlencode \
  'query=count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[15m]))' | grep -o 'Keywright[A-Za-z]*' | tr '\n' ' ')"
"${PYTHON:-python3}" "$here/draw.py" "http://127.0.0.1:$port" "$began" "$(date +%s)" "$picture"
