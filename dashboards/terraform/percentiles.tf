# Datadog keeps percentiles of a distribution only when told to; without them every p50, p95 and p99 is empty. It can be told
# once the metric has arrived for the first time.
#
# These tags can be asked for, and every combination of their values costs ten custom metrics. So `host` is none of them: it would
# multiply the bill by the number of hosts, for percentiles that nobody asks of one host (docs/observability.md, "What it costs").
# Lag is the exception: it is of one process, and among ten gateways the one that is short of CPU is a tenth of all lag.

locals {
  distributions = {
    "gateway.page.duration"  = ["page", "outcome"]
    "gateway.lag"            = ["host"]
    "gateway.admission.wait" = ["page"]
    "gateway.call.duration"  = ["downstream", "outcome"]
    "gateway.overhead"       = ["page"]
  }
}

resource "datadog_metric_tag_configuration" "percentiles" {
  for_each = local.distributions

  metric_name         = each.key
  metric_type         = "distribution"
  include_percentiles = true
  tags                = concat(each.value, ["service", "env", "version"])
}
