# A load balancer with a certificate of its own domain before the collector: first-party cookies need it.
# The certificate is proven by a DNS record, so that it exists before the domain points here.

locals {
  armoured = var.rate_limit_per_minute == null ? toset([]) : toset(["limit"])
}

resource "google_compute_global_address" "collector" {
  project = var.project_id
  name    = "${var.prefix}collector"
}

resource "google_compute_region_network_endpoint_group" "collector" {
  project               = var.project_id
  region                = var.region
  name                  = "${var.prefix}collector"
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = var.service
  }
}

resource "google_compute_security_policy" "limit" {
  #checkov:skip=CKV_GCP_73:It protects Java programs from a fault of Log4j; there is none here.
  for_each    = local.armoured
  project     = var.project_id
  name        = "${var.prefix}collector"
  description = "So many requests a minute for each address; trackers keep what is refused and send it again"
  rule {
    action      = "throttle"
    priority    = 1000
    description = "Each address"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"
      rate_limit_threshold {
        count        = var.rate_limit_per_minute
        interval_sec = 60
      }
    }
  }
  rule {
    action      = "allow"
    priority    = 2147483647
    description = "Default"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}

resource "google_compute_backend_service" "collector" {
  project               = var.project_id
  name                  = "${var.prefix}collector"
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  security_policy       = one([for policy in google_compute_security_policy.limit : policy.id])
  backend {
    group = google_compute_region_network_endpoint_group.collector.id
  }
  log_config {
    enable      = true
    sample_rate = 0.01
  }
}

resource "google_compute_url_map" "collector" {
  project         = var.project_id
  name            = "${var.prefix}collector"
  default_service = google_compute_backend_service.collector.id
}

resource "google_compute_ssl_policy" "collector" {
  project         = var.project_id
  name            = "${var.prefix}collector"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_certificate_manager_dns_authorization" "collector" {
  project = var.project_id
  name    = "${var.prefix}collector"
  domain  = var.domain
}

resource "google_certificate_manager_certificate" "collector" {
  project = var.project_id
  name    = "${var.prefix}collector"
  managed {
    domains            = [var.domain]
    dns_authorizations = [google_certificate_manager_dns_authorization.collector.id]
  }
}

resource "google_certificate_manager_certificate_map" "collector" {
  project = var.project_id
  name    = "${var.prefix}collector"
}

resource "google_certificate_manager_certificate_map_entry" "collector" {
  project      = var.project_id
  name         = "${var.prefix}collector"
  map          = google_certificate_manager_certificate_map.collector.name
  certificates = [google_certificate_manager_certificate.collector.id]
  hostname     = var.domain
}

resource "google_compute_target_https_proxy" "collector" {
  project         = var.project_id
  name            = "${var.prefix}collector"
  url_map         = google_compute_url_map.collector.id
  ssl_policy      = google_compute_ssl_policy.collector.id
  certificate_map = "//certificatemanager.googleapis.com/${google_certificate_manager_certificate_map.collector.id}"
}

resource "google_compute_global_forwarding_rule" "https" {
  project               = var.project_id
  name                  = "${var.prefix}collector-https"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.collector.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.collector.id
}

resource "google_compute_url_map" "redirect" {
  project = var.project_id
  name    = "${var.prefix}collector-redirect"
  default_url_redirect {
    https_redirect         = true
    strip_query            = false
    redirect_response_code = "PERMANENT_REDIRECT"
  }
}

resource "google_compute_target_http_proxy" "redirect" {
  project = var.project_id
  name    = "${var.prefix}collector-redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_global_forwarding_rule" "http" {
  project               = var.project_id
  name                  = "${var.prefix}collector-http"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.collector.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect.id
}
