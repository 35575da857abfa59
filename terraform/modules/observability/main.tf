# Who is told, what is promised, what is drawn, and which log lines are not worth their price.

locals {
  channels = concat(
    [for channel in google_monitoring_notification_channel.email : channel.name],
    [for channel in google_monitoring_notification_channel.sms : channel.name],
    var.alerts.slack_channel == null ? [] : [var.alerts.slack_channel],
  )
  dashboards = merge(
    { for name in ["pipeline", "quality", "cost"] : name => "${path.module}/dashboards/${name}.json" },
    var.metrics ? { loader = "${path.module}/dashboards/loader.json" } : {},
  )
  request_filter = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.collector}\""
  latency_filter = "metric.type=\"run.googleapis.com/request_latencies\" AND resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.collector}\""
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = toset(var.alerts.emails)
  project      = var.project_id
  display_name = "Snowmelt ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
}

resource "google_monitoring_notification_channel" "sms" {
  for_each     = toset(var.alerts.sms)
  project      = var.project_id
  display_name = "Snowmelt ${each.key}"
  type         = "sms"
  labels       = { number = each.key }
}

resource "google_monitoring_uptime_check_config" "collector" {
  project      = var.project_id
  display_name = "${var.prefix}collector"
  timeout      = "10s"
  period       = "60s"
  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }
  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project_id, host = var.host }
  }
  # An alert that looks at it keeps it from being deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_monitoring_custom_service" "collector" {
  project      = var.project_id
  service_id   = "${var.prefix}collector"
  display_name = "Snowmelt collector"
}

resource "google_monitoring_slo" "availability" {
  project             = var.project_id
  service             = google_monitoring_custom_service.collector.service_id
  slo_id              = "${var.prefix}availability"
  display_name        = "999 of 1000 requests are stored"
  goal                = 0.999
  rolling_period_days = 28
  request_based_sli {
    good_total_ratio {
      bad_service_filter   = "${local.request_filter} AND metric.labels.response_code_class=\"5xx\""
      total_service_filter = local.request_filter
    }
  }
}

resource "google_monitoring_slo" "latency" {
  project             = var.project_id
  service             = google_monitoring_custom_service.collector.service_id
  slo_id              = "${var.prefix}latency"
  display_name        = "99 of 100 requests are answered within half a second"
  goal                = 0.99
  rolling_period_days = 28
  request_based_sli {
    distribution_cut {
      distribution_filter = local.latency_filter
      range {
        max = 500
      }
    }
  }
}

# Drawn from the list of metrics in the code: `make docs` writes the files.
resource "google_monitoring_dashboard" "dashboard" {
  for_each       = local.dashboards
  project        = var.project_id
  dashboard_json = templatefile(each.value, { prefix = var.prefix, collector = var.collector })
}

# A line for each request that was well would cost more than the requests themselves.
resource "google_logging_project_exclusion" "requests" {
  project     = var.project_id
  name        = "${var.prefix}collector-requests"
  description = "Requests to the collector that were answered well"
  filter      = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.collector}\" AND log_id(\"run.googleapis.com/requests\") AND httpRequest.status<400"
}
