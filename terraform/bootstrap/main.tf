# Once for each project, by a person who may do everything: where state is kept, where images are, who releases from GitHub.

locals {
  apis       = toset(["artifactregistry", "cloudresourcemanager", "iam", "iamcredentials", "serviceusage", "storage", "sts"])
  github     = var.github_repository == null ? toset([]) : toset(["github"])
  deployer   = "snowmelt-deployer@${var.project_id}.iam.gserviceaccount.com"
  planner    = "snowmelt-planner@${var.project_id}.iam.gserviceaccount.com"
  principals = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/snowmelt-github/subject"
  may_be = {
    deployer = "${local.principals}/repo:${coalesce(var.github_repository, "-")}:environment:${var.env}"
    planner  = "${local.principals}/repo:${coalesce(var.github_repository, "-")}:pull_request"
  }
  identities = var.github_repository == null ? {} : local.may_be
  # Reading settings of everything, and the content of nothing: the dataset shuts out viewers of the project.
  reading = var.github_repository == null ? toset([]) : toset(["roles/viewer", "roles/iam.securityReviewer"])
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

resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62:Every access to state is in the audit log of the project.
  project                     = var.project_id
  name                        = "${var.project_id}-snowmelt-state"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  versioning {
    enabled = true
  }
  depends_on = [google_project_service.api]
}

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:Images hold the program, which is public; Google's keys are enough.
  project       = var.project_id
  location      = var.region
  repository_id = "snowmelt"
  format        = "DOCKER"
  description   = "Images of Snowmelt"
  docker_config {
    immutable_tags = true
  }
  cleanup_policy_dry_run = false
  cleanup_policies {
    id     = "keep-twenty"
    action = "KEEP"
    most_recent_versions {
      keep_count = 20
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "7776000s"
    }
  }
  depends_on = [google_project_service.api]
}

resource "google_iam_workload_identity_pool" "github" {
  for_each                  = local.github
  project                   = var.project_id
  workload_identity_pool_id = "snowmelt-github"
  display_name              = "GitHub Actions"
  depends_on                = [google_project_service.api]
}

# Only this repository: its branch for releases, and its own pull requests (those of forks get no identity) for plans.
resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:The condition names the subjects whole; the check does not see through the variable in it.
  for_each                           = local.github
  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.github[each.key].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
    "attribute.ref"        = "assertion.ref"
  }
  attribute_condition = "(assertion.sub == 'repo:${var.github_repository}:environment:${var.env}' && assertion.ref == '${var.github_ref}') || assertion.sub == 'repo:${var.github_repository}:pull_request'"
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "github" {
  for_each     = local.identities
  project      = var.project_id
  account_id   = "snowmelt-${each.key}"
  display_name = "Snowmelt ${each.key} (GitHub Actions)"
  depends_on   = [google_project_service.api]
}

resource "google_service_account_iam_member" "github" {
  for_each           = local.identities
  service_account_id = "projects/${var.project_id}/serviceAccounts/${google_service_account.github[each.key].account_id}@${var.project_id}.iam.gserviceaccount.com"
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value
  depends_on         = [google_iam_workload_identity_pool_provider.github]
}

resource "google_artifact_registry_repository_iam_member" "deployer" {
  for_each   = local.github
  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${local.deployer}"
  depends_on = [google_service_account.github]
}

resource "google_storage_bucket_iam_member" "deployer" {
  for_each   = local.github
  bucket     = google_storage_bucket.state.name
  role       = "roles/storage.objectUser"
  member     = "serviceAccount:${local.deployer}"
  depends_on = [google_service_account.github]
}

# The number of the project, without which nothing is planned; and how far Cloud Run has come with what it was told.
resource "google_project_iam_member" "deployer" {
  for_each   = var.github_repository == null ? toset([]) : toset(["roles/browser", "roles/run.viewer"])
  project    = var.project_id
  role       = each.key
  member     = "serviceAccount:${local.deployer}"
  depends_on = [google_service_account.github]
}

resource "google_storage_bucket_iam_member" "planner" {
  for_each   = local.github
  bucket     = google_storage_bucket.state.name
  role       = "roles/storage.objectViewer"
  member     = "serviceAccount:${local.planner}"
  depends_on = [google_service_account.github]
}

resource "google_project_iam_member" "planner" {
  #checkov:skip=CKV_GCP_117:A plan reads the settings of everything; it is the reading half of a basic role, and opens no data here.
  for_each   = local.reading
  project    = var.project_id
  role       = each.key
  member     = "serviceAccount:${local.planner}"
  depends_on = [google_service_account.github]
}
