#!/usr/bin/env bash
# Makes the stack `existing` the template of previews: the cluster of PREVIEW_KUBECONFIG and, where there is one, its registry.
# The state is where PULUMI_BACKEND_URL says.
set -euo pipefail
umask 077
export KUBECONFIG=$RUNNER_TEMP/preview-kubeconfig
printf '%s' "$PREVIEW_KUBECONFIG" >"$KUBECONFIG"
echo "KUBECONFIG=$KUBECONFIG" >>"$GITHUB_ENV"
environment=$(npm run -s env -- --stack existing)
eval "$environment"
# A context that is named may be used although it is no local one.
pulumi config set --stack existing kubeContext "$(kubectl config current-context)"
if [ -n "${PREVIEW_REGISTRY:-}" ]; then
  pulumi config set --stack existing registry "$PREVIEW_REGISTRY"
  if [ -n "${PREVIEW_REGISTRY_USERNAME:-}" ]; then
    pulumi config set --stack existing registryUsername "$PREVIEW_REGISTRY_USERNAME"
    printf '%s' "$PREVIEW_REGISTRY_PASSWORD" | pulumi config set --stack existing --secret registryPassword
  fi
fi
