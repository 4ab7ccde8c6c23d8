# Installs the files of ../datadog as they stand; only what belongs to one organisation is filled in.

locals {
  folder     = "${path.module}/../datadog"
  dashboards = fileset("${local.folder}/dashboards", "*.json")
  slo        = jsondecode(file("${local.folder}/slos/good-pages.json"))

  # Of the queries of the SLO: whose pages are promised.
  scope = { for side, query in local.slo.query : side => replace(
    replace(query, "service:product-gateway", "service:${var.service}"),
    "env:prod", "env:${var.env}"
  ) }

  # Of every monitor the same pages, and the address of the runbook.
  monitors = { for name in fileset("${local.folder}/monitors", "**/*.json") : name => jsondecode(replace(replace(replace(
    file("${local.folder}/monitors/${name}"),
    "docs/runbook.md", var.runbook),
    "service:product-gateway", "service:${var.service}"),
    "env:prod", "env:${var.env}"
  )) }
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

# The windows of the burn alerts: they notify nobody.
resource "datadog_monitor_json" "window" {
  for_each = { for name, monitor in local.monitors : name => monitor if startswith(name, "windows/") }

  monitor = jsonencode(each.value)
}

resource "datadog_monitor_json" "gateway" {
  for_each = { for name, monitor in local.monitors : name => monitor if !startswith(name, "windows/") }

  monitor = jsonencode(merge(each.value, {
    message = trimspace("${each.value.message}\n\n${var.notify}")
    # A burn alert asks for its windows by ids that are known once they exist.
    query = each.value.type != "composite" ? each.value.query : replace(replace(replace(replace(
      each.value.query,
      "BURN_1H", datadog_monitor_json.window["windows/burn-1h.json"].id),
      "BURN_5M", datadog_monitor_json.window["windows/burn-5m.json"].id),
      "BURN_6H", datadog_monitor_json.window["windows/burn-6h.json"].id),
      "BURN_30M", datadog_monitor_json.window["windows/burn-30m.json"].id
    )
  }))
}
