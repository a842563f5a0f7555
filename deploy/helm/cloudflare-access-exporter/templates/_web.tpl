{{- /* Whether there is a web configuration. Each of these templates gives "true" or nothing. */ -}}
{{- define "cloudflare-access-exporter.web" -}}
{{- $web := .Values.web }}
{{- if and $web.existingSecret (or $web.config $web.files) }}
  {{- fail "web: give existingSecret, or config and files" }}
{{- end }}
{{- if or $web.config $web.existingSecret }}true
{{- else if or $web.files $web.certificateSecret $web.tls $web.basicAuth $web.clientCertificates }}
  {{- fail "web: give config, or existingSecret, with the web.yaml that uses the rest" }}
{{- end }}
{{- end }}

{{- define "cloudflare-access-exporter.web.tls" -}}
{{- if or .Values.web.tls .Values.web.config.tls_server_config }}true{{ end }}
{{- end }}

{{- define "cloudflare-access-exporter.web.basicAuth" -}}
{{- if or .Values.web.basicAuth .Values.web.config.basic_auth_users }}true{{ end }}
{{- end }}

{{- define "cloudflare-access-exporter.web.clientCertificates" -}}
{{- $type := default dict .Values.web.config.tls_server_config | dig "client_auth_type" "" }}
{{- if or .Values.web.clientCertificates (has $type (list "RequireAnyClientCert" "RequireAndVerifyClientCert")) }}true{{ end }}
{{- end }}

{{- define "cloudflare-access-exporter.web.secretName" -}}
{{- default (printf "%s-web" (include "cloudflare-access-exporter.fullname" .)) .Values.web.existingSecret }}
{{- end }}

{{- define "cloudflare-access-exporter.web.scrapeSecret" -}}
{{- default (printf "%s-scrape" (include "cloudflare-access-exporter.fullname" .)) .Values.serviceMonitor.scrapeSecret }}
{{- end }}

{{- /* web.yaml. The kubelet has no password for its probes. */ -}}
{{- define "cloudflare-access-exporter.web.yaml" -}}
{{- $config := deepCopy .Values.web.config }}
{{- if $config.basic_auth_users }}
  {{- $paths := concat (default list $config.auth_excluded_paths) (list "/-/healthy" "/-/ready") | uniq }}
  {{- $_ := set $config "auth_excluded_paths" $paths }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* The probes. The kubelet has no client certificate, so the health check of the image runs inside the pod. */ -}}
{{- define "cloudflare-access-exporter.probes" -}}
{{- if include "cloudflare-access-exporter.web.clientCertificates" . }}
{{- range list "readinessProbe" "livenessProbe" }}
{{ . }}:
  exec:
    command: [/venv/bin/python, -I, -m, access_exporter.commands.healthcheck]
  periodSeconds: 30
  timeoutSeconds: 10
{{- end }}
{{- else }}
{{- $scheme := eq (include "cloudflare-access-exporter.web.tls" .) "true" | ternary "HTTPS" "HTTP" }}
readinessProbe:
  httpGet: {path: /-/ready, port: http, scheme: {{ $scheme }}}
  periodSeconds: 5
livenessProbe:
  httpGet: {path: /-/healthy, port: http, scheme: {{ $scheme }}}
  periodSeconds: 30
  timeoutSeconds: 5
{{- end }}
{{- end }}

{{- /* Where Prometheus finds the certificate authority of the server. Fails if the chart knows that the certificate authority is missing. */ -}}
{{- define "cloudflare-access-exporter.web.authority" -}}
{{- $web := .Values.web }}
{{- if not (or $web.existingSecret $web.certificateSecret (hasKey $web.files "ca.crt")) }}
  {{- fail "web.files: give ca.crt as well, so that Prometheus can trust the certificate, or set serviceMonitor.tlsConfig" }}
{{- end }}
{{- default (include "cloudflare-access-exporter.web.secretName" .) $web.certificateSecret }}
{{- end }}
