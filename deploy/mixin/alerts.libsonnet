local fill = import 'fill.libsonnet';
local groups = (import 'alerts.json').groups;

{
  prometheusAlerts+:: {
    assert fill.known('alert', $._config.disabled, fill.alerts(groups)),
    groups+: fill.groups(groups, $._config),
  },
}
