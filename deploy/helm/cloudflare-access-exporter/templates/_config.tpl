{{- /* The exporter's configuration. An account without a credential reads its token from the Secret. */ -}}
{{- define "cloudflare-access-exporter.config" -}}
{{- $config := deepCopy .Values.config }}
{{- range $number, $account := $config.accounts }}
  {{- range $key := list "api_token" "api_key" "api_email" }}
    {{- if not (regexMatch "^\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-)?\\}$" (get $account $key | default "${A}" | toString)) }}
      {{- fail (printf "config.accounts[%d].%s: write a variable such as ${%s}, and name its key of the Secret in secret.environment; a ConfigMap must not hold it" $number $key (upper $key)) }}
    {{- end }}
  {{- end }}
  {{- $credential := pick $account "api_token" "api_token_file" "api_email" "api_key" "api_key_file" }}
  {{- if not (values $credential | compact) }}
    {{- $_ := set $account "api_token_file" "/run/secrets/cloudflare/token" }}
  {{- end }}
{{- end }}
{{- include "cloudflare-access-exporter.noSecret" (list "config" ($config | toRawJson) .Values.secret.data) }}
{{- toYaml $config }}
{{- end }}

{{- /* Refuse a text that contains a secret of the values, or text that looks like a token or key of Cloudflare. Do not show it. */ -}}
{{- define "cloudflare-access-exporter.noSecret" -}}
{{- $place := index . 0 }}
{{- $text := index . 1 }}
{{- $found := regexMatch "(^|[^A-Za-z0-9])(cf[a-z]{1,4}_[A-Za-z0-9_-]{16,}|v1\\.0-[0-9a-f]{24}-[0-9a-f-]{40,}|eyJ[A-Za-z0-9_-]{30,})" $text }}
{{- range regexFindAll "[A-Za-z0-9_-]{37,}" $text -1 }}
  {{- if and (regexMatch "[a-z]" .) (regexMatch "[A-Z]" .) (regexMatch "[0-9]" .) }}
    {{- $found = true }}
  {{- else if and (regexMatch "^[0-9a-f]{37}$" .) (regexMatch "[0-9]" .) }}
    {{- $found = true }}
  {{- end }}
{{- end }}
{{- range $value := index . 2 }}
  {{- if and (ge (len (trim $value)) 16) (contains (trim $value) $text) }}
    {{- $found = true }}
  {{- end }}
{{- end }}
{{- if $found }}
  {{- fail (printf "%s: holds a token or key; put it into secret.data, or into a Secret that secret.existingSecret names" $place) }}
{{- end }}
{{- end }}

{{- define "cloudflare-access-exporter.secretName" -}}
{{- if and .Values.secret.existingSecret .Values.secret.data }}
  {{- fail "secret: give existingSecret or data, not both" }}
{{- end }}
{{- default (include "cloudflare-access-exporter.fullname" .) .Values.secret.existingSecret }}
{{- end }}

{{- /* Whether the pod mounts the Secret: if the chart creates it, if a value names it, or if an account reads a file from it. */ -}}
{{- define "cloudflare-access-exporter.mountsSecret" -}}
{{- $files := contains "/run/secrets/cloudflare/" (include "cloudflare-access-exporter.config" .) }}
{{- if or .Values.secret.data .Values.secret.existingSecret $files }}true{{ end }}
{{- end }}

{{- /* The flags of the container. */ -}}
{{- define "cloudflare-access-exporter.args" -}}
{{- range .Values.extraArgs }}
  {{- if regexMatch "^--(config\\.file|storage\\.path|web\\.config\\.file|web\\.listen-address|web\\.telemetry-path|shard|total-shards)(=|$)" . }}
    {{- fail (printf "extraArgs: the chart sets %s" (regexFind "^[^=]*" .)) }}
  {{- end }}
{{- end }}
{{- include "cloudflare-access-exporter.noSecret" (list "extraArgs" (.Values.extraArgs | toRawJson) .Values.secret.data) }}
{{- $args := list "--storage.path=/var/lib/cloudflare-access-exporter" }}
{{- if include "cloudflare-access-exporter.web" . }}
  {{- $args = append $args "--web.config.file=/etc/cloudflare-access-exporter-web/web.yaml" }}
{{- end }}
{{- if include "cloudflare-access-exporter.sharded" . }}
  {{- $args = append $args (printf "--total-shards=%d" (int .Values.shards)) }}
{{- end }}
{{- toYaml (concat $args .Values.extraArgs) }}
{{- end }}

{{- /* The environment of the container: the path of the configuration (also for `kubectl exec`), the pod name for shards, variables from the Secret, and extraEnv. */ -}}
{{- define "cloudflare-access-exporter.env" -}}
{{- $env := list (dict "name" "CLOUDFLARE_ACCESS_CONFIG_FILE" "value" "/etc/cloudflare-access-exporter/config.yaml") }}
{{- if include "cloudflare-access-exporter.sharded" . }}
  {{- $env = append $env (dict "name" "POD_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name"))) }}
{{- end }}
{{- range $name, $key := .Values.secret.environment }}
  {{- $reference := dict "name" (include "cloudflare-access-exporter.secretName" $) "key" $key }}
  {{- $env = append $env (dict "name" $name "valueFrom" (dict "secretKeyRef" $reference)) }}
{{- end }}
{{- range .Values.extraEnv }}
  {{- include "cloudflare-access-exporter.noSecret" (list (printf "extraEnv: %s" .name) (get . "value" | toString) $.Values.secret.data) }}
{{- end }}
{{- concat $env .Values.extraEnv | toYaml }}
{{- end }}
