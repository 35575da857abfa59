output "schemas" {
  description = "Bucket of the schemas."
  value       = google_storage_bucket.schemas.name
}

output "assets" {
  description = "Bucket of the files of enrichments."
  value       = google_storage_bucket.assets.name
}

output "address" {
  description = "Where the schemas are as a static Iglu registry."
  value       = "https://storage.googleapis.com/${google_storage_bucket.schemas.name}"
}
