{{- define "keywright.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "keywright.fullname" -}}
{{- $name := include "keywright.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "keywright.selectorLabels" -}}
app.kubernetes.io/name: {{ include "keywright.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "keywright.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "keywright.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: keywright
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "keywright.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "keywright.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the ServiceAccount that exists, or set serviceAccount.create to true" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "keywright.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What the operator and `keywright doctor` are told of what the operator looks after. */ -}}
{{- define "keywright.scopeArguments" -}}
- --cluster-identity-providers={{ .Values.clusterIdentityProviders.enabled }}
- --watch-secrets={{ .Values.secretWatch }}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ uniq . | sortAlpha | join "," }}
{{- end }}
{{- with .Values.clusterID }}
- --cluster-id={{ . }}
{{- end }}
- --leader-election={{ .Values.leaderElection.enabled }}
{{- if .Values.leaderElection.enabled }}
- --lease-name={{ include "keywright.fullname" . }}
{{- end }}
{{- end }}

{{- /* The verbs on Secrets that are only looked at. */ -}}
{{- define "keywright.secretVerbs" -}}
[get{{ if .Values.secretWatch }}, list, watch{{ end }}]
{{- end }}

{{- /* What is done in a namespace that is looked after: the part of src/rights.rs for watched namespaces. */ -}}
{{- define "keywright.namespaceRules" -}}
- apiGroups: [keywright.dev]
  resources: [accesstokens, clientapplications]
  verbs: [get, list, watch, patch]
- apiGroups: [keywright.dev]
  resources: [identityaccounts]
  verbs: [get, list, watch]
- apiGroups: [keywright.dev]
  resources: [identityproviders]
  verbs: [list, watch]
- apiGroups: [keywright.dev]
  resources: [accesstokens/status, clientapplications/status, identityaccounts/status, identityproviders/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: {{ include "keywright.secretVerbs" . }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- /* Fails where values contradict each other, which the schema cannot say in words. */ -}}
{{- define "keywright.check" -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicaCount) 1) }}
{{- fail "replicaCount: without leaderElection.enabled there may be one replica only, since each would do all the work" }}
{{- end }}
{{- if and .Values.extraCA.configMap .Values.extraCA.secret }}
{{- fail "extraCA: set either configMap or secret" }}
{{- end }}
{{- with .Values.networkPolicy }}
{{- if .enabled }}
{{- if not .apiServer.cidrs }}
{{- fail "networkPolicy.apiServer.cidrs: name the addresses of the Kubernetes API (kubectl get endpointslices -n default -l kubernetes.io/service-name=kubernetes), for example [10.0.0.1/32]" }}
{{- end }}
{{- if not .identityAPIs }}
{{- fail "networkPolicy.identityAPIs: name the addresses of the identity APIs, or of the proxy on the way to them, for example [{cidr: 203.0.113.7/32, ports: [443]}]" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
