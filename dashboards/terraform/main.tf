# Installs the files of ../datadog as they stand; only what belongs to one organisation is filled in.

locals {
  folder     = "${path.module}/../datadog"
  dashboards = fileset("${local.folder}/dashboards", "*.json")
  monitors   = fileset("${local.folder}/monitors", "*.json")
  slo        = jsondecode(file("${local.folder}/slos/good-pages.json"))

  # Of the queries of the SLO: whose pages are promised.
  scope = {
    for side, query in local.slo.query : side => replace(
      replace(query, "service:product-gateway", "service:${var.service}"),
      "env:prod", "env:${var.env}"
    )
  }
}

resource "datadog_dashboard_json" "gateway" {
  for_each = local.dashboards

  dashboard = replace(file("${local.folder}/dashboards/${each.key}"), "docs/runbook.md", var.runbook)
}

resource "datadog_service_level_objective" "good_pages" {
  name              = local.slo.name
  description       = local.slo.description
  type              = local.slo.type
  tags              = local.slo.tags
  timeframe         = local.slo.timeframe
  target_threshold  = local.slo.target_threshold
  warning_threshold = local.slo.warning_threshold

  query {
    numerator   = local.scope.numerator
    denominator = local.scope.denominator
  }

  dynamic "thresholds" {
    for_each = local.slo.thresholds

    content {
      timeframe = thresholds.value.timeframe
      target    = thresholds.value.target
      warning   = thresholds.value.warning
    }
  }
}

locals {
  # The burn alerts ask for the SLO by an id that is known once it exists.
  filled_in = {
    for file_name in local.monitors : file_name => jsondecode(replace(replace(
      file("${local.folder}/monitors/${file_name}"),
      "docs/runbook.md", var.runbook),
      "SLO_ID", datadog_service_level_objective.good_pages.id
    ))
  }
}

resource "datadog_monitor_json" "gateway" {
  for_each = local.monitors

  monitor = jsonencode(merge(local.filled_in[each.key], {
    message = trimspace("${local.filled_in[each.key].message}\n\n${var.notify}")
  }))
}
