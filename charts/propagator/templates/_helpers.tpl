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
