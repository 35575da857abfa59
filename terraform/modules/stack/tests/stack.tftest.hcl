# terraform test, with a provider that makes nothing: what variables are refused, and what an apply would wire together.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://snowmelt-collector-abc.a.run.app" }
  }
}

variables {
  project_id = "acme-events-prod"
  region     = "europe-west1"
  image      = "europe-west1-docker.pkg.dev/acme-events-prod/snowmelt/snowmelt@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  schemas    = "tests"
}

run "first_deployment" {
  command = apply
  assert {
    condition     = output.collector == "https://snowmelt-collector-abc.a.run.app"
    error_message = "without a domain trackers send to Cloud Run's own address"
  }
  assert {
    condition     = length(output.dns_records) == 0
    error_message = "without a domain there are no records to make"
  }
  assert {
    condition     = toset(keys(output.topics)) == toset(["raw", "enriched", "failed", "bad", "dead-letter"])
    error_message = "five topics"
  }
  assert {
    condition     = length(output.subscriptions) == 5
    error_message = "a topic without subscription keeps nothing"
  }
  assert {
    condition     = output.settings["SNOWMELT_WAREHOUSE_DATASET"] == "snowmelt" && output.settings["SNOWMELT_BUS_PREFIX"] == "snowmelt-"
    error_message = "commands elsewhere learn where things are"
  }
}

run "domain" {
  command = apply
  variables {
    domain = "collect.acme.com"
  }
  assert {
    condition     = output.collector == "https://collect.acme.com"
    error_message = "trackers send to the domain"
  }
}

run "tag_in_place_of_digest" {
  command = plan
  variables {
    image = "europe-west1-docker.pkg.dev/acme-events-prod/snowmelt/snowmelt:latest"
  }
  expect_failures = [var.image]
}

run "sidecar_by_tag" {
  command = plan
  variables {
    metrics_image = "us-docker.pkg.dev/somebody/sidecar:1.2.0"
  }
  expect_failures = [var.metrics_image]
}

run "nobody_is_told" {
  command = plan
  variables {
    alerts = { required = true }
  }
  expect_failures = [var.alerts]
}

run "zone_in_place_of_region" {
  command = plan
  variables {
    region = "europe-west1-b"
  }
  expect_failures = [var.region]
}

run "unknown_process" {
  command = plan
  variables {
    release = { transform = { stable = "snowmelt-transform-00001-abc" } }
  }
  expect_failures = [var.release]
}

run "setting_of_somebody_else" {
  command = plan
  variables {
    settings = { PATH = "/" }
  }
  expect_failures = [var.settings]
}
