output "address" {
  description = "IP address the domain has to point to."
  value       = google_compute_global_address.collector.address
}

output "records" {
  description = "DNS records to make: the first proves the domain to the certificate, the second leads trackers here."
  value = [
    google_certificate_manager_dns_authorization.collector.dns_resource_record,
    [{ name = "${var.domain}.", type = "A", data = google_compute_global_address.collector.address }],
  ]
}
