output "emails" {
  description = "Channels that are e-mail addresses."
  value       = [for channel in google_monitoring_notification_channel.email : channel.name]
}

output "dashboards" {
  description = "Ids of the dashboards."
  value       = { for name, dashboard in google_monitoring_dashboard.dashboard : name => dashboard.id }
}
