{{- define "keyframe.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* Names stay below 63 characters with the longest suffix, -certs-install and what a CronJob adds. */}}
{{- define "keyframe.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 36 | trimSuffix "-" }}
{{- else if contains (include "keyframe.name" .) .Release.Name }}
{{- .Release.Name | trunc 36 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "keyframe.name" .) | trunc 36 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "keyframe.injector" -}}{{ include "keyframe.fullname" . }}-injector{{- end }}
{{- define "keyframe.certs" -}}{{ include "keyframe.fullname" . }}-certs{{- end }}
{{- define "keyframe.secret" -}}{{ default (printf "%s-tls" (include "keyframe.injector" .)) .Values.certificates.secretName }}{{- end }}

{{- /* Objects without a namespace need a name that two releases do not share. */}}
{{- define "keyframe.webhookConfiguration" -}}
{{- if eq .Release.Namespace "keyframe" }}{{ include "keyframe.injector" . }}
{{- else }}{{ printf "%s-%s" (include "keyframe.injector" .) .Release.Namespace }}{{ end }}
{{- end }}

{{- define "keyframe.selector" -}}
app.kubernetes.io/name: {{ include "keyframe.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "keyframe.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "keyframe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "keyframe.image" -}}
{{- with .Values.image -}}
{{- if .registry }}{{ trimSuffix "/" .registry }}/{{ end -}}
{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}

{{- /* What Pod Security "restricted" asks of a pod, and of a container. */}}
{{- define "keyframe.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- define "keyframe.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "keyframe.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.injector.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.injector.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
