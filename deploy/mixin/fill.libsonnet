// Fills in the groups of alerts.json and recording.json. In them, ${name} stands for a value of the configuration.
local defaults = (import 'config.libsonnet')._config;

local known(what, names, all) =
  std.foldl(function(_, name) if std.member(all, name) then true else error 'there is no %s %s' % [what, name], names, true);

// Escapes a text for use inside quotation marks, in JSON and in PromQL.
local escaped(string) = std.strReplace(std.strReplace(string, '\\', '\\\\'), '"', '\\"');

// Returns a value as text. jsonnet itself writes 0.8 as 0.80000000000000004, and an old version cannot format 0.
local text(value) =
  if std.isNumber(value) && value != std.floor(value) then '%.12g' % value else std.toString(value);

// Works on JSON text, because one replacement in a long string is faster than many in short strings.
local filled(groups, values) = std.parseJson(std.foldl(
  function(json, name) std.strReplace(json, '${' + name + '}', escaped(text(values[name]))),
  std.objectFields(values),
  std.manifestJsonMinified(groups),
));

local without(object, field) = { [name]: object[name] for name in std.objectFields(object) if name != field };

{
  known:: known,
  text:: text,

  // The names of the alerts in these groups.
  alerts(groups):: [rule.alert for group in groups for rule in group.rules],

  groups(groups, config)::
    local dashboards = std.rstripChars(config.dashboard_url, '/');
    local values = config.thresholds + config.severities + {
      job: escaped(config.job),
      runbook_url: config.runbook_url,
      dashboard_url: dashboards,
    };
    local linked(rule) =
      if dashboards == '' && std.objectHas(rule, 'annotations')
      then rule { annotations: without(rule.annotations, 'dashboard_url') }
      else rule;
    local kept(rules) = [
      linked(rule)
      for rule in rules
      if !std.objectHas(rule, 'alert') || !std.member(config.disabled, rule.alert)
    ];
    assert known('threshold', std.objectFields(config.thresholds), std.objectFields(defaults.thresholds));
    filled([group { rules: kept(group.rules) } for group in groups if kept(group.rules) != []], values),
}
