// Fills in the groups of alerts.json and recording.json, where ${name} stands for a value of the configuration.
local defaults = (import 'config.libsonnet')._config;

local known(what, names, all) =
  std.foldl(function(checked, name) if std.member(all, name) then checked else error 'there is no %s %s' % [what, name], names, true);

local text(value) = if std.isNumber(value) then '%.12g' % value else value;

local filled(value, values) =
  if std.isString(value) then
    std.foldl(function(string, name) std.strReplace(string, '${' + name + '}', text(values[name])), std.objectFields(values), value)
  else if std.isArray(value) then
    [filled(item, values) for item in value]
  else
    { [name]: filled(value[name], values) for name in std.objectFields(value) };

local without(object, field) = { [name]: object[name] for name in std.objectFields(object) if name != field };

{
  // The names of all alerts in these groups.
  alerts(groups):: [rule.alert for group in groups for rule in group.rules],

  groups(groups, config)::
    local dashboards = std.rstripChars(config.dashboard_url, '/');
    local values = config.thresholds + config.severities + {
      job: config.job,
      runbook_url: config.runbook_url,
      dashboard_url: dashboards,
    };
    local linked(rule) =
      if dashboards == '' && std.objectHas(rule, 'annotations')
      then rule { annotations: without(rule.annotations, 'dashboard_url') }
      else rule;
    local kept(rules) = [
      filled(linked(rule), values)
      for rule in rules
      if !std.objectHas(rule, 'alert') || !std.member(config.disabled, rule.alert)
    ];
    assert known('threshold', std.objectFields(config.thresholds), std.objectFields(defaults.thresholds));
    [group { rules: kept(group.rules) } for group in groups if kept(group.rules) != []],

  known:: known,
}
