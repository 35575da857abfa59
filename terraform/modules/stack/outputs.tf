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
