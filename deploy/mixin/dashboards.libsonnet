local defaults = (import 'config.libsonnet')._config;
local fill = import 'fill.libsonnet';

// Fills in a dashboard. In it, "${name}" stands for a threshold as a number, and ${name} for its digits in a text.
local filled(dashboard, config) =
  local number(json, name) = std.strReplace(json, '"${' + name + '}"', fill.text(config.thresholds[name]));
  local digits(json, name) = std.strReplace(json, '${' + name + '}', fill.text(config.thresholds[name]));
  local names = std.objectFields(defaults.thresholds);
  local json = std.foldl(digits, names, std.foldl(number, names, dashboard));
  std.parseJson(std.strReplace(json, defaults.runbook_url, config.runbook_url));

{
  grafanaDashboards+:: {
    'cloudflare-access-overview.json': filled(importstr 'dashboards/overview.json', $._config),
    'cloudflare-access-policies.json': filled(importstr 'dashboards/policies.json', $._config),
    'cloudflare-access-exporter.json': filled(importstr 'dashboards/exporter-health.json', $._config),
  },
}
