{{- define "cloudflare-access-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* At most 52 characters: Kubernetes adds a hash of ten characters to the name of a StatefulSet, and uses the result as a label. */ -}}
{{- define "cloudflare-access-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $both .Values.fullnameOverride | replace "." "-" | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "cloudflare-access-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cloudflare-access-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* Labels of every object. Labels from the values do not replace labels that selectors use. */ -}}
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

{{- /* Metadata of an object: name and labels. The argument is a list: the root, and the end of the name. */ -}}
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
