{{- /* The pod of the Deployment and of the StatefulSet. */ -}}
{{- define "cloudflare-access-exporter.pod" -}}
{{- /* A change of the configuration, or of a variable from the Secret, starts new pods. */ -}}
{{- $checksums := dict "checksum/config" (include "cloudflare-access-exporter.config" . | sha256sum) }}
{{- if and .Values.secret.environment .Values.secret.data }}
  {{- $_ := set $checksums "checksum/secret" (.Values.secret.data | toJson | sha256sum) }}
{{- end }}
{{- $labels := include "cloudflare-access-exporter.labels" . | fromYaml -}}
metadata:
  annotations:
    {{- merge $checksums .Values.podAnnotations | toYaml | nindent 4 }}
  labels:
    {{- merge $labels .Values.podLabels | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "cloudflare-access-exporter.serviceAccount" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 10 # the exporter stops within 5 s
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ quote . }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  containers:
    - name: exporter
      image: {{ include "cloudflare-access-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- include "cloudflare-access-exporter.args" . | nindent 8 }}
      env:
        {{- include "cloudflare-access-exporter.env" . | nindent 8 }}
      ports:
        - name: http
          containerPort: 10060
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      # Ready when every target was polled once, with or without success. If Cloudflare is down, nothing restarts.
      {{- include "cloudflare-access-exporter.probes" . | trim | nindent 6 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        {{- include "cloudflare-access-exporter.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "cloudflare-access-exporter.volumes" . | nindent 4 }}
  {{- include "cloudflare-access-exporter.scheduling" . | trim | nindent 2 }}
{{- end }}

{{- define "cloudflare-access-exporter.volumeMounts" -}}
- name: config
  mountPath: /etc/cloudflare-access-exporter
  readOnly: true
{{- if include "cloudflare-access-exporter.mountsSecret" . }}
# Mount the whole folder, not a subPath. Then a rotated token arrives without a restart.
- name: secret
  mountPath: /run/secrets/cloudflare
  readOnly: true
{{- end }}
- name: storage
  mountPath: /var/lib/cloudflare-access-exporter
{{- if include "cloudflare-access-exporter.web" . }}
- name: web
  mountPath: /etc/cloudflare-access-exporter-web
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cloudflare-access-exporter.volumes" -}}
{{- $fullname := include "cloudflare-access-exporter.fullname" . -}}
{{- $storage := .Values.persistence -}}
- name: config
  configMap:
    name: {{ quote $fullname }}
{{- if include "cloudflare-access-exporter.mountsSecret" . }}
- name: secret
  secret:
    secretName: {{ include "cloudflare-access-exporter.secretName" . | quote }}
    defaultMode: 0440
{{- end }}
{{- if not $storage.enabled }}
# Every user in the pod may write to this volume, so the exporter creates its own folder in it.
- name: storage
  emptyDir:
    sizeLimit: 16Mi
{{- else if not (include "cloudflare-access-exporter.sharded" .) }}
- name: storage
  persistentVolumeClaim:
    claimName: {{ default $fullname $storage.existingClaim | quote }}
{{- end }}
{{- if include "cloudflare-access-exporter.web" . }}
- name: web
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "cloudflare-access-exporter.web.secretName" . | quote }}
      {{- with .Values.web.certificateSecret }}
      - secret:
          name: {{ quote . }}
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Where the pods run. By default, shards prefer different nodes and zones, so that a failed node stops only one shard. */ -}}
{{- define "cloudflare-access-exporter.scheduling" -}}
{{- $pods := dict "matchLabels" (include "cloudflare-access-exporter.selectorLabels" . | fromYaml) }}
{{- $affinity := .Values.affinity }}
{{- $spread := .Values.topologySpreadConstraints }}
{{- if include "cloudflare-access-exporter.sharded" . }}
  {{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $pods }}
  {{- $preferred := list (dict "weight" 100 "podAffinityTerm" $term) }}
  {{- $apart := dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred) }}
  {{- $affinity = default $apart $affinity }}
  {{- $zones := dict "maxSkew" 1 "topologyKey" "topology.kubernetes.io/zone" "whenUnsatisfiable" "ScheduleAnyway" }}
  {{- $spread = default (list $zones) $spread }}
{{- end }}
{{- $constraints := list }}
{{- range $spread }}
  {{- $constraints = append $constraints (hasKey . "labelSelector" | ternary . (merge (dict "labelSelector" $pods) .)) }}
{{- end }}
{{- $all := dict "affinity" $affinity "topologySpreadConstraints" $constraints }}
{{- $all = merge $all (dict "nodeSelector" .Values.nodeSelector "tolerations" .Values.tolerations) }}
{{- range $name, $value := $all }}
{{- with $value }}
{{ $name }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
