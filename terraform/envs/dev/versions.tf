terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "6.50.0"
    }
  }
  # The bucket that bootstrap made: terraform init -backend-config=bucket=…
  backend "gcs" {
    prefix = "dev"
  }
}

provider "google" {
  project        = var.project_id
  region         = var.region
  default_labels = { app = "snowmelt", env = "dev" }
}
