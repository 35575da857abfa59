output "environment" {
  description = "Settings of the services that concern the bus."
  value = {
    SNOWMELT_BUS_KIND    = "pubsub"
    SNOWMELT_BUS_PROJECT = var.project_id
    SNOWMELT_BUS_PREFIX  = var.prefix
  }
}

output "topics" {
  description = "Topic names by stream."
  value       = { for stream, topic in google_pubsub_topic.topic : stream => topic.name }
}

output "subscriptions" {
  description = "Names of the subscriptions the services read."
  value       = { for key, subscription in google_pubsub_subscription.reader : key => subscription.name }
}

output "keeper" {
  description = "Name of the subscription that holds dead letters."
  value       = google_pubsub_subscription.keeper.name
}
