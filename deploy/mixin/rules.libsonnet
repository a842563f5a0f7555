local fill = import 'fill.libsonnet';

{
  prometheusRules+:: {
    groups+: fill.groups((import 'recording.json').groups, $._config),
  },
}
