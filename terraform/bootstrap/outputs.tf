output "state_bucket" {
  description = "For terraform init -backend-config=bucket=…"
  value       = google_storage_bucket.state.name
}

output "repository" {
  description = "Where images are pushed."
  value       = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.images.repository_id}"
}

output "tfvars" {
  description = "Content of bootstrap.auto.tfvars.json for the environment."
  value = jsonencode(merge(
    { project_id = var.project_id, region = var.region },
    var.github_repository == null ? {} : {
      deployer = local.deployer
      runbooks = "https://github.com/${var.github_repository}/blob/main/docs/runbooks"
    },
  ))
}

output "github" {
  description = "Variables of GitHub's environment."
  value = var.github_repository == null ? null : {
    GCP_PROJECT  = var.project_id
    GCP_REGION   = var.region
    GCP_PROVIDER = "projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/snowmelt-github/providers/github"
    GCP_DEPLOYER = local.deployer
    GCP_PLANNER  = local.planner
    STATE_BUCKET = google_storage_bucket.state.name
  }
}
