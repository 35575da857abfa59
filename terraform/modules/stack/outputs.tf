output "topics" {
  description = "Topics by stream."
  value       = module.bus.topics
}

output "subscriptions" {
  description = "Subscriptions the services read, and the one that holds dead letters."
  value       = merge(module.bus.subscriptions, { dead-letter-keeper = module.bus.keeper })
}

output "events" {
  description = "The table of events, for queries."
  value       = module.warehouse.events
}

output "schemas" {
  description = "Where the schemas are as a static Iglu registry; readable with schemas_public."
  value       = module.registry.address
}

output "buckets" {
  description = "Buckets of schemas and of the files of enrichments."
  value       = { schemas = module.registry.schemas, assets = module.registry.assets }
}

output "accounts" {
  description = "E-mail of each process's account."
  value       = module.foundation.emails
}

output "salt" {
  description = "Secret that takes the salt of the PII enrichment."
  value       = module.foundation.salt
}

output "collector" {
  description = "Where trackers send to."
  value       = local.address
}

output "dns_records" {
  description = "Records to make for the domain."
  value       = flatten([for edge in module.edge : edge.records])
}

output "dashboards" {
  description = "Ids of the dashboards."
  value       = module.observability.dashboards
}

output "canary" {
  description = "Cloud Run job that sends a synthetic event."
  value       = one([for canary in module.canary : canary.job])
}

output "settings" {
  description = "Settings for commands that are run elsewhere: replay, audit, erase."
  value       = merge(local.common, module.warehouse.environment)
}
