# What wakes somebody up. The key of an alert is the name of its runbook: docs/runbooks/<key>.md.
# query: PromQL; its alert is on as long as the query has a result. log: a filter of log lines. threshold: what only that can.

locals {
  requests  = "run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=\"${var.collector}\"}"
  failing   = "run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",service_name=\"${var.collector}\",response_code_class=\"5xx\"}"
  latencies = "run_googleapis_com:request_latencies_bucket{monitored_resource=\"cloud_run_revision\",service_name=\"${var.collector}\"}"
  backlog   = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{monitored_resource=\"pubsub_subscription\",subscription_id=~\"${join("|", var.subscriptions)}\"})"
  messages  = { for stream in ["raw", "enriched", "bad"] : stream => "pubsub_googleapis_com:topic_message_sizes_count{monitored_resource=\"pubsub_topic\",topic_id=\"${var.prefix}${stream}\"}" }
  ours      = "(resource.type=\"cloud_run_revision\" OR resource.type=\"cloud_run_worker_pool\") AND (resource.labels.service_name=~\"^${var.prefix}\" OR resource.labels.worker_pool_name=~\"^${var.prefix}\")"

  always = {
    backlog-old = {
      title    = "Events wait for longer than a minute"
      severity = "WARNING"
      query    = "${local.backlog} > 60"
      duration = "300s"
    }
    backlog-stuck = {
      title    = "Events wait for longer than five minutes"
      severity = "CRITICAL"
      query    = "${local.backlog} > 300"
      duration = "300s"
    }
    collector-errors = {
      title    = "The collector answers more than one request in a thousand with an error"
      severity = "CRITICAL"
      query    = "sum(rate(${local.failing}[5m])) / sum(rate(${local.requests}[5m])) > 0.001"
      duration = "300s"
    }
    collector-slow = {
      title    = "One request in a hundred takes longer than half a second"
      severity = "WARNING"
      query    = "histogram_quantile(0.99, sum by (le) (rate(${local.latencies}[5m]))) > 500"
      duration = "600s"
    }
    failed-events = {
      title    = "More than one event in twenty fails"
      severity = "ERROR"
      query    = "sum(rate(${local.messages.bad}[15m])) / (sum(rate(${local.messages.enriched}[15m])) + sum(rate(${local.messages.bad}[15m]))) > 0.05"
      duration = "900s"
    }
    dead-letters = {
      title    = "Messages could not be delivered"
      severity = "ERROR"
      query    = "max(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\",subscription_id=\"${var.keeper}\"}) > 0"
      duration = "0s"
    }
    crash = {
      title    = "A process logged an error or was ended"
      severity = "ERROR"
      log      = "${local.ours} AND (severity>=ERROR OR textPayload=~\" (ERROR|CRITICAL) snowmelt\") AND NOT log_id(\"run.googleapis.com/requests\")"
    }
    access-lost = {
      title    = "A process may not do what it has to"
      severity = "CRITICAL"
      log      = "${local.ours} AND (textPayload=~\"PERMISSION_DENIED|Forbidden\" OR jsonPayload.message=~\"PERMISSION_DENIED|Forbidden\")"
    }
    quota-used-up = {
      title    = "A quota of the project is used up"
      severity = "ERROR"
      log      = "${local.ours} AND (textPayload=~\"RESOURCE_EXHAUSTED|TooManyRequests\" OR jsonPayload.message=~\"RESOURCE_EXHAUSTED|TooManyRequests\")"
    }
    collector-unreachable = {
      title    = "The collector cannot be reached from outside"
      severity = "CRITICAL"
      threshold = {
        filter     = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.collector.uptime_check_id}\""
        aligner    = "ALIGN_NEXT_OLDER"
        period     = "120s"
        reducer    = "REDUCE_COUNT_FALSE"
        group      = ["resource.label.host"]
        above      = 1
        duration   = "60s"
        aggregated = true
      }
    }
    error-budget = {
      title    = "The collector's error budget of the month is being used up in days"
      severity = "ERROR"
      threshold = {
        filter     = "select_slo_burn_rate(\"${google_monitoring_slo.availability.name}\", \"3600s\")"
        aligner    = null
        period     = null
        reducer    = null
        group      = null
        above      = 10
        duration   = "0s"
        aggregated = false
      }
    }
  }

  busy = var.alerts.quiet ? {} : {
    no-traffic = {
      title    = "Next to nothing arrives"
      severity = "ERROR"
      # The synthetic events are three in that time, sometimes four.
      query    = "(sum(increase(${local.messages.raw}[15m])) or vector(0)) < 5"
      duration = "300s"
    }
  }

  watched = var.canary == null ? {} : {
    synthetic-event = {
      title    = "A synthetic event did not become a row"
      severity = "CRITICAL"
      query    = "(sum(increase(run_googleapis_com:job_completed_execution_count{monitored_resource=\"cloud_run_job\",job_name=\"${var.canary}\",result=\"succeeded\"}[15m])) or vector(0)) < 1"
      duration = "60s"
    }
  }

  certified = !var.certificate ? {} : {
    certificate-expires = {
      title    = "The certificate runs out within two weeks"
      severity = "ERROR"
      query    = "min(monitoring_googleapis_com:uptime_check_time_until_ssl_cert_expires{monitored_resource=\"uptime_url\",host=\"${var.host}\"}) < 14"
      duration = "600s"
    }
  }

  measured = !var.metrics ? {} : {
    rows-late = {
      title    = "Events take longer than two minutes to become rows"
      severity = "ERROR"
      query    = "histogram_quantile(0.95, sum by (le) (rate(snowmelt_loader_e2e_latency_seconds_bucket[10m]))) > 120"
      duration = "300s"
    }
    schema-missing = {
      title    = "Events have waited for a schema for an hour"
      severity = "WARNING"
      query    = "max(snowmelt_loader_waiting_events) > 0"
      duration = "3600s"
    }
    breaking-change = {
      title    = "A schema was changed in a way its column cannot follow"
      severity = "WARNING"
      query    = "sum(increase(snowmelt_loader_recovery_columns_total[1h])) > 0"
      duration = "0s"
    }
    table-full = {
      title    = "The table of events is running out of fields"
      severity = "WARNING"
      query    = "max(snowmelt_loader_fields) > 8000"
      duration = "600s"
    }
    loader-retries = {
      title    = "The warehouse refuses batches again and again"
      severity = "WARNING"
      query    = "sum(increase(snowmelt_loader_retries_total[10m])) > 5"
      duration = "600s"
    }
  }

  policies = merge(local.always, local.busy, local.watched, local.certified, local.measured)
}

resource "google_monitoring_alert_policy" "alert" {
  for_each              = local.policies
  project               = var.project_id
  display_name          = "${var.prefix}${each.key}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels

  documentation {
    subject   = "Snowmelt: ${each.value.title}"
    mime_type = "text/markdown"
    content   = "${each.value.title}. What to do: ${var.runbooks}/${each.key}.md"
  }

  conditions {
    display_name = each.value.title
    dynamic "condition_prometheus_query_language" {
      for_each = try([each.value.query], [])
      content {
        query               = condition_prometheus_query_language.value
        duration            = each.value.duration
        evaluation_interval = "60s"
        # A metric is not known before its first value.
        disable_metric_validation = true
      }
    }
    dynamic "condition_matched_log" {
      for_each = try([each.value.log], [])
      content {
        filter = condition_matched_log.value
      }
    }
    dynamic "condition_threshold" {
      for_each = try([each.value.threshold], [])
      content {
        filter          = condition_threshold.value.filter
        comparison      = "COMPARISON_GT"
        threshold_value = condition_threshold.value.above
        duration        = condition_threshold.value.duration
        dynamic "aggregations" {
          for_each = condition_threshold.value.aggregated ? [condition_threshold.value] : []
          content {
            alignment_period     = aggregations.value.period
            per_series_aligner   = aggregations.value.aligner
            cross_series_reducer = aggregations.value.reducer
            group_by_fields      = aggregations.value.group
          }
        }
      }
    }
  }

  alert_strategy {
    auto_close = "1800s"
    dynamic "notification_rate_limit" {
      for_each = try([each.value.log], [])
      content {
        period = "300s"
      }
    }
  }
}
