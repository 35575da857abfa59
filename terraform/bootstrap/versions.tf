terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "6.50.0"
    }
  }
  # The bucket is made by hand before, and imported: docs/deploy.md.
  backend "gcs" {
    prefix = "bootstrap"
  }
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = { app = "snowmelt" }
}
