variable "service" {
  description = "The service whose pages are promised: telemetry.service of the gateway's configuration."
  type        = string
  default     = "product-gateway"
}

variable "env" {
  description = "The environment whose pages are promised: telemetry.env of the gateway's configuration."
  type        = string
  default     = "prod"
}

variable "notify" {
  description = "Who hears of the monitors, as Datadog writes it (\"@pagerduty-gateway @slack-shop\"). Empty: nobody."
  type        = string
  default     = ""
}

variable "runbook" {
  description = "Where docs/runbook.md can be read, without an anchor. The links in monitors and dashboards lead there."
  type        = string

  validation {
    condition     = startswith(var.runbook, "https://") && !strcontains(var.runbook, "#")
    error_message = "An https:// address without an anchor."
  }
}
