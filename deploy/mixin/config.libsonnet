local thresholds = import 'thresholds.json';

{
  _config+:: {
    // The name of the job that scrapes the exporter.
    job: 'cloudflare-access',

    // The value of the label severity in alerts.
    severities: {
      warning: 'warning',
      critical: 'critical',
    },

    // The address of Grafana. If you set it, each alert has the annotation dashboard_url.
    dashboard_url: '',

    // The address of the runbook, for the annotation runbook_url and for links in dashboards.
    runbook_url: 'https://github.com/cloudflare-access-exporter/cloudflare-access-exporter/blob/main/docs/runbook.md',

    // The thresholds of the alerts. thresholds.json has the unit and the meaning of each.
    thresholds: { [name]: thresholds[name].default for name in std.objectFields(thresholds) },

    // Names of alerts to leave out.
    disabled: [],
  },
}
