output "project_id" {
  description = "The project, once its APIs are on."
  value       = var.project_id
  depends_on  = [google_project_service.api]
}

output "emails" {
  description = "E-mail by process: collector, enricher, loader, operator, doctor, scheduler."
  value       = { for process, account in local.accounts : process => local.emails[account] }
}

output "accounts" {
  description = "Name of the account by process; enricher and loader share one in compact mode."
  value       = local.accounts
}

output "pubsub_agent" {
  description = "The member Pub/Sub itself acts as when it moves dead letters."
  value       = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

output "salt" {
  description = "Name of the secret that holds the salt of the PII enrichment."
  value       = google_secret_manager_secret.salt.secret_id
}

output "project_number" {
  value = data.google_project.this.number
}
