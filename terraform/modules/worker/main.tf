# One process that pulls, as a worker pool: no address, no requests, CPU always.

locals {
  volumes  = { for path, bucket in var.buckets : trim(replace(path, "/", "-"), "-") => { path = path, bucket = bucket } }
  fixed    = var.size.min == var.size.max
  newest   = { type = "INSTANCE_SPLIT_ALLOCATION_TYPE_LATEST", revision = null }
  stable   = { type = "INSTANCE_SPLIT_ALLOCATION_TYPE_REVISION", revision = try(var.release.stable, null) }
  percent  = var.release == null ? 100 : var.release.percent
  splits   = [for split in [merge(local.stable, { percent = 100 - local.percent }), merge(local.newest, { percent = local.percent })] : split if split.percent > 0]
  sidecars = var.metrics_image == null ? {} : { metrics = var.metrics_image }
  deployer = var.deployer == null ? toset([]) : toset(["deployer"])
}

resource "google_cloud_run_v2_worker_pool" "worker" {
  project             = var.project_id
  location            = var.region
  name                = var.name
  launch_stage        = var.launch_stage
  deletion_protection = var.deletion_protection

  scaling {
    scaling_mode          = local.fixed ? "MANUAL" : "AUTOMATIC"
    manual_instance_count = local.fixed ? var.size.max : null
    min_instance_count    = local.fixed ? null : var.size.min
    max_instance_count    = local.fixed ? null : var.size.max
  }

  template {
    service_account = var.account
    containers {
      name  = var.command
      image = var.image
      args  = [var.command]
      resources {
        limits = { cpu = var.size.cpu, memory = var.size.memory }
      }
      dynamic "env" {
        for_each = var.environment
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = var.secrets
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }
      dynamic "volume_mounts" {
        for_each = local.volumes
        content {
          name       = volume_mounts.key
          mount_path = volume_mounts.value.path
        }
      }
    }
    dynamic "containers" {
      for_each = local.sidecars
      content {
        name  = containers.key
        image = containers.value
      }
    }
    dynamic "volumes" {
      for_each = local.volumes
      content {
        name = volumes.key
        gcs {
          bucket    = volumes.value.bucket
          read_only = true
        }
      }
    }
  }

  dynamic "instance_splits" {
    for_each = local.splits
    content {
      type     = instance_splits.value.type
      revision = instance_splits.value.revision
      percent  = instance_splits.value.percent
    }
  }
}

resource "google_cloud_run_v2_worker_pool_iam_member" "deployer" {
  for_each = local.deployer
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_worker_pool.worker.name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.deployer}"
}
