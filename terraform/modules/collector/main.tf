# Requests in, payloads on the topic raw. It answers after Pub/Sub has acknowledged, so that CPU may be taken away between requests.

locals {
  port = 8080
  # A load balancer appends two entries to X-Forwarded-For, Cloud Run itself one.
  hops = var.behind_balancer ? "2" : "1"
  settings = merge(var.environment, {
    SNOWMELT_COLLECTOR_HOST         = "0.0.0.0"
    SNOWMELT_COLLECTOR_PORT         = tostring(local.port)
    SNOWMELT_COLLECTOR_TRUSTED_HOPS = local.hops
  })
  newest = { type = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", revision = null }
  stable = { type = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", revision = try(var.release.stable, null) }
  traffic = var.release == null ? [merge(local.newest, { percent = 100 })] : concat(
    [merge(local.stable, { percent = 100 - var.release.percent })],
    [merge(local.newest, { percent = var.release.percent })],
  )
  public   = var.public == "allUsers" ? toset(["allUsers"]) : toset([])
  deployer = var.deployer == null ? toset([]) : toset(["deployer"])
}

resource "google_cloud_run_v2_service" "collector" {
  project              = var.project_id
  location             = var.region
  name                 = var.name
  ingress              = var.behind_balancer ? "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" : "INGRESS_TRAFFIC_ALL"
  invoker_iam_disabled = var.public == "disabled"
  deletion_protection  = var.deletion_protection

  template {
    service_account                  = var.account
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    max_instance_request_concurrency = var.size.concurrency
    timeout                          = "30s"
    scaling {
      min_instance_count = var.size.min
      max_instance_count = var.size.max
    }
    containers {
      name  = "collector"
      image = var.image
      args  = ["collect"]
      ports {
        container_port = local.port
      }
      resources {
        limits            = { cpu = var.size.cpu, memory = var.size.memory }
        cpu_idle          = var.size.billing == "request"
        startup_cpu_boost = true
      }
      startup_probe {
        period_seconds    = 1
        timeout_seconds   = 1
        failure_threshold = 30
        http_get {
          path = "/health"
        }
      }
      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/health"
        }
      }
      dynamic "env" {
        for_each = local.settings
        content {
          name  = env.key
          value = env.value
        }
      }
    }
  }

  dynamic "traffic" {
    for_each = local.traffic
    content {
      type     = traffic.value.type
      revision = traffic.value.revision
      percent  = traffic.value.percent
      # The newest has an address of its own, to be tried before it gets traffic.
      tag = traffic.value.revision == null && var.release != null ? "next" : null
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "public" {
  # Trackers in anybody's browser send to it.
  for_each = local.public
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.collector.name
  role     = "roles/run.invoker"
  member   = each.key
}

resource "google_cloud_run_v2_service_iam_member" "deployer" {
  for_each = local.deployer
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.collector.name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.deployer}"
}
