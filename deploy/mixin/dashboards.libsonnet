local defaults = (import 'config.libsonnet')._config;

{
  local dashboard(text) = std.parseJson(std.strReplace(text, defaults.runbook_url, $._config.runbook_url)),

  grafanaDashboards+:: {
    'cloudflare-access-overview.json': dashboard(importstr '../grafana/dashboards/overview.json'),
    'cloudflare-access-policies.json': dashboard(importstr '../grafana/dashboards/policies.json'),
    'cloudflare-access-exporter.json': dashboard(importstr '../grafana/dashboards/exporter-health.json'),
  },
}
