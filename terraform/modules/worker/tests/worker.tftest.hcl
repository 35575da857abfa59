# How many instances, and which revision they are of.

mock_provider "google" {}

variables {
  project_id          = "acme-events-prod"
  region              = "europe-west1"
  name                = "snowmelt-load"
  image               = "europe-west1-docker.pkg.dev/acme-events-prod/snowmelt/snowmelt@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  account             = "snowmelt-loader@acme-events-prod.iam.gserviceaccount.com"
  command             = "load"
  environment         = {}
  secrets             = {}
  buckets             = {}
  metrics_image       = null
  size                = {}
  single              = true
  release             = null
  deployer            = null
  launch_stage        = "GA"
  deletion_protection = true
}

run "one_loader" {
  command = plan
  assert {
    condition     = google_cloud_run_v2_worker_pool.worker.scaling[0].scaling_mode == "MANUAL"
    error_message = "a loader does not scale"
  }
  assert {
    condition     = google_cloud_run_v2_worker_pool.worker.scaling[0].manual_instance_count == 1
    error_message = "one loader"
  }
}

run "two_loaders" {
  command = plan
  variables {
    size = { max = 2 }
  }
  expect_failures = [var.single]
}

run "two_loaders_for_a_release" {
  command = plan
  variables {
    release = { stable = "snowmelt-load-00001-abc", percent = 10 }
  }
  expect_failures = [var.release]
}

run "loader_rolled_back" {
  command = plan
  variables {
    release = { stable = "snowmelt-load-00001-abc" }
  }
  assert {
    condition     = [for split in google_cloud_run_v2_worker_pool.worker.instance_splits : "${split.percent} ${split.revision}"] == ["100 snowmelt-load-00001-abc"]
    error_message = "all to the revision named"
  }
}

run "enricher_a_tenth_new" {
  command = plan
  variables {
    command = "enrich"
    single  = false
    size    = { min = 1, max = 10 }
    release = { stable = "snowmelt-enrich-00001-abc", percent = 10 }
  }
  assert {
    condition     = [for split in google_cloud_run_v2_worker_pool.worker.instance_splits : split.percent] == [90, 10]
    error_message = "a tenth to the newest"
  }
  assert {
    condition     = google_cloud_run_v2_worker_pool.worker.scaling[0].scaling_mode == "AUTOMATIC"
    error_message = "an enricher scales"
  }
}

run "no_instance" {
  command = plan
  variables {
    size = { min = 0 }
  }
  expect_failures = [var.size]
}
