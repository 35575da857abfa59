output "name" {
  value = google_cloud_run_v2_service.collector.name
}

output "address" {
  description = "Cloud Run's own address of it."
  value       = google_cloud_run_v2_service.collector.uri
}
