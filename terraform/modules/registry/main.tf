# Schemas from Git as files of a bucket, which the services mount; and a bucket for the files of enrichments.
# A new schema needs an apply, not a release: the services look at the bucket while they run.

locals {
  schemas  = fileset(var.folder, "*/*/jsonschema/*-*-*")
  readers  = { for process in ["enricher", "loader"] : var.accounts[process] => var.emails[process]... }
  deployer = var.deployer == null ? toset([]) : toset(["deployer"])
}

resource "google_storage_bucket" "schemas" {
  #checkov:skip=CKV_GCP_62:Schemas are in Git and not secret; who reads them is of no interest.
  #checkov:skip=CKV_GCP_114:With schemas_public it is meant to be read by anybody; without, prevention is enforced.
  project                     = var.project_id
  name                        = "${var.project_id}-${var.prefix}schemas"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = var.public ? "inherited" : "enforced"
  force_destroy               = false
  versioning {
    enabled = true
  }
}

resource "google_storage_bucket_object" "schema" {
  for_each      = local.schemas
  bucket        = google_storage_bucket.schemas.name
  name          = "schemas/${each.key}"
  source        = "${var.folder}/${each.key}"
  content_type  = "application/json"
  cache_control = "no-cache"
}

# MaxMind files and the like: put there by hand or by a job, at most one older version kept.
resource "google_storage_bucket" "assets" {
  #checkov:skip=CKV_GCP_62:Holds bought databases only, read by one process.
  project                     = var.project_id
  name                        = "${var.project_id}-${var.prefix}assets"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  versioning {
    enabled = true
  }
  lifecycle_rule {
    condition {
      num_newer_versions = 1
    }
    action {
      type = "Delete"
    }
  }
}

resource "google_storage_bucket_iam_member" "schemas" {
  for_each = local.readers
  bucket   = google_storage_bucket.schemas.name
  role     = "roles/storage.objectViewer"
  member   = "serviceAccount:${each.value[0]}"
}

resource "google_storage_bucket_iam_member" "assets" {
  bucket = google_storage_bucket.assets.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${var.emails["enricher"]}"
}

resource "google_storage_bucket_iam_member" "deployer" {
  for_each = local.deployer
  bucket   = google_storage_bucket.schemas.name
  role     = "roles/storage.objectUser"
  member   = "serviceAccount:${var.deployer}"
}

resource "google_storage_bucket_iam_member" "public" {
  #checkov:skip=CKV_GCP_28:Only with schemas_public, and schemas are made to be read.
  for_each = var.public ? toset(["public"]) : toset([])
  bucket   = google_storage_bucket.schemas.name
  role     = "roles/storage.objectViewer"
  member   = "allUsers"
}
