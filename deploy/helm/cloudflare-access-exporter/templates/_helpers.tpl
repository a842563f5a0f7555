{{- define "cloudflare-access-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* At most 52 characters: Kubernetes adds a hash of ten to the name of a StatefulSet and makes a label of it. */ -}}
{{- define "cloudflare-access-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $both .Values.fullnameOverride | replace "." "-" | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "cloudflare-access-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cloudflare-access-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* Labels of every object. Those of the values do not replace what is selected by. */ -}}
{{- define "cloudflare-access-exporter.labels" -}}
{{- $selected := include "cloudflare-access-exporter.selectorLabels" . | fromYaml }}
{{- $chart := include "cloudflare-access-exporter.chartLabels" . | fromYaml }}
{{- merge dict $selected .Values.commonLabels $chart | toYaml }}
{{- end }}

{{- define "cloudflare-access-exporter.chartLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Metadata of an object: name and labels. The argument is a list of the root and what the name ends in. */ -}}
{{- define "cloudflare-access-exporter.metadata" -}}
{{- $root := first . -}}
name: {{ printf "%s%s" (include "cloudflare-access-exporter.fullname" $root) (last .) | quote }}
namespace: {{ $root.Release.Namespace | quote }}
labels:
  {{- include "cloudflare-access-exporter.labels" $root | nindent 2 }}
{{- end }}

{{- define "cloudflare-access-exporter.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "cloudflare-access-exporter.serviceAccount" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "cloudflare-access-exporter.fullname" .) "default" }}
{{- default $own .Values.serviceAccount.name }}
{{- end }}

{{- /* Whether there are shards: "true" or nothing. */ -}}
{{- define "cloudflare-access-exporter.sharded" -}}
{{- if gt (int .Values.shards) 1 }}true{{ end }}
{{- end }}
