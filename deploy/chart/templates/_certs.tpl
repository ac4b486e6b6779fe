{{- /*
The rights of the certificate jobs: one Secret, one webhook configuration, and to make the Secret. A create cannot be
limited to a name. Call with (dict "root" $ "name" NAME "hook" BOOL): the hook's own copy lives only for the first job,
which runs before the release's objects exist.
*/}}
{{- define "keyframe.certsHook" -}}
{{- if .hook }}
annotations:
  helm.sh/hook: pre-install,pre-upgrade
  helm.sh/hook-weight: "-10"
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
{{- end }}

{{- define "keyframe.certsAccess" -}}
{{- $labels := include "keyframe.labels" .root }}
{{- $hook := include "keyframe.certsHook" . }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- $hook | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- $hook | nindent 2 }}
rules:
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create]
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [{{ include "keyframe.secret" .root }}]
    verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- $hook | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ .root.Release.Namespace }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}-{{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- $hook | nindent 2 }}
rules:
  - apiGroups: [admissionregistration.k8s.io]
    resources: [mutatingwebhookconfigurations]
    resourceNames: [{{ include "keyframe.webhookConfiguration" .root }}]
    verbs: [get, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}-{{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- $hook | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name }}-{{ .root.Release.Namespace }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{- /* The pod of a certificate job. Call with (dict "root" $ "account" NAME "configuration" BOOL). */}}
{{- define "keyframe.certsPod" -}}
metadata:
  labels:
    {{- include "keyframe.labels" .root | nindent 4 }}
    app.kubernetes.io/component: certs
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ .account }}
  enableServiceLinks: false
  securityContext:
    {{- include "keyframe.podSecurity" .root | nindent 4 }}
  {{- include "keyframe.placement" .root | nindent 2 }}
  containers:
    - name: certs
      image: {{ include "keyframe.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args:
        - injector-certs
        - --namespace={{ .root.Release.Namespace }}
        - --service={{ include "keyframe.injector" .root }}
        - --secret={{ include "keyframe.secret" .root }}
        {{- if .configuration }}
        - --webhook-configuration={{ include "keyframe.webhookConfiguration" .root }}
        {{- end }}
        - --renew-before={{ .root.Values.certificates.renewBefore }}
        {{- with .root.Values.certificates.job.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .root.Values.certificates.job.resources | nindent 8 }}
      securityContext:
        {{- include "keyframe.containerSecurity" .root | nindent 8 }}
{{- end }}
