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
app.kubernetes.io/name: {{ include "keywright.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "keywright.labels" -}}
{{ include "keywright.labelsWith" (list . dict) }}
{{- end }}

{{- /* (list ROOT LABELS): the labels of everything, and more. A key that stands twice has the value of the selector, else
of LABELS, else of commonLabels. */ -}}
{{- define "keywright.labelsWith" -}}
{{- $root := index . 0 }}
{{- $selector := include "keywright.selectorLabels" $root | fromYaml }}
{{- $chart := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/part-of" "keywright" }}
{{- merge $selector (default dict (index . 1)) (default dict $root.Values.commonLabels) $chart | toYaml }}
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

{{- /* What the operator is told of what it looks after, as variables: `keywright doctor` in its pod reads them too. */ -}}
{{- define "keywright.scopeEnvironment" -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: KEYWRIGHT_CLUSTER_IDENTITY_PROVIDERS
  value: {{ .Values.clusterIdentityProviders.enabled | quote }}
- name: KEYWRIGHT_WATCH_SECRETS
  value: {{ .Values.secretWatch | quote }}
{{- with .Values.watchNamespaces }}
- name: KEYWRIGHT_WATCH_NAMESPACES
  value: {{ uniq . | sortAlpha | join "," | quote }}
{{- end }}
{{- with .Values.clusterID }}
- name: KEYWRIGHT_CLUSTER_ID
  value: {{ . | quote }}
{{- end }}
- name: KEYWRIGHT_LEADER_ELECTION
  value: {{ .Values.leaderElection.enabled | quote }}
{{- if .Values.leaderElection.enabled }}
- name: KEYWRIGHT_LEASE_NAME
  value: {{ include "keywright.fullname" . | quote }}
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

{{- /* A duration of the schema, as a number. */ -}}
{{- define "keywright.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | atoi) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- $sum }}
{{- end }}

{{- /* Fails where values contradict each other, which the schema cannot say in words. */ -}}
{{- define "keywright.check" -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicaCount) 1) }}
{{- fail "replicaCount: without leaderElection.enabled there may be one replica only, since each would do all the work" }}
{{- end }}
{{- if and .Values.extraCA.configMap .Values.extraCA.secret }}
{{- fail "extraCA: set either configMap or secret" }}
{{- end }}
{{- if and .Values.firstProvider.name (not .Values.clusterIdentityProviders.enabled) }}
{{- fail "firstProvider.name: without clusterIdentityProviders.enabled nobody would look after it; empty the name, or set clusterIdentityProviders.enabled to true" }}
{{- end }}
{{- with .Values.pace }}
{{- $settled := mul 3 (include "keywright.milliseconds" .requestTimeout | int64) }}
{{- if lt (include "keywright.milliseconds" .creationSettleTime | int64) $settled }}
{{- fail (printf "pace.creationSettleTime: must be at least three times pace.requestTimeout (%s), so %dms or longer" .requestTimeout $settled) }}
{{- end }}
{{- range $name := list "driftInterval" "providerCheckInterval" }}
{{- if lt (include "keywright.milliseconds" (index $.Values.pace $name) | int64) 1000 }}
{{- fail (printf "pace.%s: must be at least 1s" $name) }}
{{- end }}
{{- end }}
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
