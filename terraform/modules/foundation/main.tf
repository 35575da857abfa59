# APIs, one account for each process, and the salt's place.

locals {
  apis = toset([
    "artifactregistry", "bigquery", "bigquerystorage", "billingbudgets", "certificatemanager", "cloudresourcemanager",
    "cloudscheduler", "compute", "iam", "logging", "monitoring", "pubsub", "run", "secretmanager", "storage",
  ])
  workers   = var.compact ? { enricher = "worker", loader = "worker" } : { enricher = "enricher", loader = "loader" }
  own       = { for name in ["collector", "operator", "doctor", "scheduler"] : name => name }
  accounts  = merge(local.own, local.workers)
  processes = toset(values(local.accounts))
  emails    = { for name in local.processes : name => "${google_service_account.process[name].account_id}@${var.project_id}.iam.gserviceaccount.com" }
  run_as    = setsubtract(local.processes, ["operator", "scheduler"])
}

data "google_project" "this" {
  project_id = var.project_id
}

resource "google_project_service" "api" {
  for_each           = local.apis
  project            = var.project_id
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

resource "google_service_account" "process" {
  for_each     = local.processes
  project      = var.project_id
  account_id   = "${var.prefix}${each.key}"
  display_name = "Snowmelt ${each.key}"
}

# Whoever releases a process may run it as its account, and as no other.
resource "google_service_account_iam_member" "deployer" {
  for_each           = var.deployer == null ? [] : local.run_as
  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails[each.key]}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.deployer}"
}

resource "google_service_account_iam_member" "operators" {
  for_each           = toset(var.operators)
  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails["operator"]}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.key
}

# Its value is added with gcloud, so that no state holds it.
resource "google_secret_manager_secret" "salt" {
  project   = var.project_id
  secret_id = "${var.prefix}pii-salt"
  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_iam_member" "enricher" {
  project   = var.project_id
  secret_id = google_secret_manager_secret.salt.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${local.emails[local.accounts["enricher"]]}"
}
