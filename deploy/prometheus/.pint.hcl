# pint --offline lint alerts.yaml rules.yaml
#
# All checks that pint runs by default are on. To compare the rules with what your Prometheus has, add a block
# `prometheus "…" { uri = "http://…" }` and leave out --offline.

rule {
  match {
    kind = "alerting"
  }

  label "severity" {
    severity = "bug"
    value    = "warning|critical"
    required = true
  }

  annotation "summary" {
    severity = "bug"
    required = true
  }

  annotation "description" {
    severity = "bug"
    required = true
  }

  annotation "runbook_url" {
    severity = "bug"
    value    = "(?i:https://.+#{{ $alert }})"
    required = true
  }
}
