# A synthetic event, sent through the front door and looked for in the warehouse: what no metric of a part can tell.

locals {
  name     = "${var.prefix}doctor"
  deployer = var.deployer == null ? toset([]) : toset(["deployer"])
}

resource "google_cloud_run_v2_job" "doctor" {
  project             = var.project_id
  location            = var.region
  name                = local.name
  deletion_protection = false
  template {
    task_count = 1
    template {
      service_account = var.emails["doctor"]
      max_retries     = 0
      timeout         = "240s"
      containers {
        name  = "doctor"
        image = var.image
        # It may send and look, and need not be able to do what the services may: --role none.
        args = ["doctor", "--target", "gcp", "--role", "none", "--collector-url", var.collector, "--wait", "120"]
        resources {
          limits = { cpu = "1", memory = "1Gi" }
        }
        dynamic "env" {
          for_each = var.environment
          content {
            name  = env.key
            value = env.value
          }
        }
      }
    }
  }
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.doctor.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${var.emails["scheduler"]}"
}

resource "google_cloud_run_v2_job_iam_member" "deployer" {
  for_each = local.deployer
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.doctor.name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.deployer}"
}

resource "google_cloud_scheduler_job" "doctor" {
  project          = var.project_id
  region           = var.region
  name             = local.name
  description      = "Sends a synthetic event and looks for its row"
  schedule         = var.schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "60s"
  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project_id}/locations/${var.region}/jobs/${google_cloud_run_v2_job.doctor.name}:run"
    oauth_token {
      service_account_email = var.emails["scheduler"]
    }
  }
}
