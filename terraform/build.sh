#!/usr/bin/env bash
# Builds the image, pushes it, and writes its digest where Terraform reads it: terraform/build.sh dev
# With an image as second argument, that one is copied, the digest stays the same: promotion from one environment to the next.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=${1:?which environment: dev, staging or prod}
promoted=${2:-}
folder=terraform/envs/$environment
setting() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$folder/bootstrap.auto.tfvars.json" "$1"; }
project=$(setting project_id)
region=$(setting region)
repository=$region-docker.pkg.dev/$project/snowmelt
sidecar=us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0

gcloud auth configure-docker --quiet "$region-docker.pkg.dev"
if [ -n "$promoted" ]; then
  digest=${promoted##*@}
  docker buildx imagetools create --tag "$repository/snowmelt:promoted-${digest: -12}" "$promoted"
else
  base=${BASE:-python:3.11-slim}
  base=${base%@*}@$(docker buildx imagetools inspect "$base" --format '{{.Manifest.Digest}}')
  echo "on $base"
  tag=$repository/snowmelt:$(git rev-parse --short HEAD)-$(date +%Y%m%d%H%M%S)
  docker buildx build --build-arg "BASE=$base" --platform linux/amd64 --provenance=false --push --tag "$tag" --metadata-file "$folder/image.json" .
  digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["containerimage.digest"])' "$folder/image.json")
  rm "$folder/image.json"
fi
images="{\"image\": \"$repository/snowmelt@$digest\""
if [ "${METRICS:-no}" = yes ]; then
  images+=", \"metrics_image\": \"${sidecar%:*}@$(docker buildx imagetools inspect "$sidecar" --format '{{.Manifest.Digest}}')\""
fi
echo "$images}" | tee "$folder/images.auto.tfvars.json"
