{{- define "propagator.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that select; never changed. */}}
{{- define "propagator.selector" -}}
app.kubernetes.io/name: propagator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "propagator.labels" -}}
{{ include "propagator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "propagator.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "propagator.account" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "propagator.name" .) .Values.serviceAccount.name }}{{ else }}{{ required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}{{ end -}}
{{- end -}}

{{- define "propagator.secret" -}}
{{- default (printf "%s-secrets" (include "propagator.name" .)) .Values.config.preExistingSecret -}}
{{- end -}}

{{- define "propagator.url" -}}
{{- default (printf "http://%s.%s.svc:%v/v1" (include "propagator.name" .) .Release.Namespace .Values.service.port) .Values.config.url -}}
{{- end -}}

{{/*
What server and agents share: what is given, else what the Secret has, else a random one. It is never made of the API's token;
a Secret of an earlier version has one that is. Kept with the values, so that all templates see the same.
*/}}
{{- define "propagator.agentToken" -}}
{{- if not .Values.config.agentToken -}}
{{- $known := "" -}}
{{- with lookup "v1" "Secret" .Release.Namespace (include "propagator.secret" .) -}}{{- $known = index (default dict .data) "agent-token" | default "" | b64dec -}}{{- end -}}
{{- if or (not $known) (eq $known (printf "agent %s" .Values.config.authToken | sha256sum)) -}}{{- $known = randAlphaNum 48 -}}{{- end -}}
{{- $_ := set .Values.config "agentToken" $known -}}
{{- end -}}
{{- .Values.config.agentToken -}}
{{- end -}}

{{/*
Labels of the agents that have the server's token. While agents are replaced because it changed, the server passes over those
that still have the old one: their node has no ready agent then, instead of one that refuses.
*/}}
{{- define "propagator.generation" -}}
{{- if not .Values.config.preExistingSecret -}}
propagator.bay-e2e.dev/generation: {{ include "propagator.agentToken" . | sha256sum | trunc 16 | quote }}
{{- end -}}
{{- end -}}

{{- define "propagator.clusterRole" -}}
{{- printf "%s-%s-pods" .Release.Namespace (include "propagator.name" .) -}}
{{- end -}}

{{/* What the propagator may do with pods, in a namespace or in all. */}}
{{- define "propagator.rules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
{{- end -}}

{{/* A container that may do nothing but its work. */}}
{{- define "propagator.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "propagator.confinedPod" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}
