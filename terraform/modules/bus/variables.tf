variable "project_id" {
  type = string
}

variable "region" {
  description = "Where messages are kept at rest."
  type        = string
}

variable "prefix" {
  description = "Before the names of topics and subscriptions, as bus.prefix of the services."
  type        = string
}

variable "emails" {
  description = "E-mail by process."
  type        = map(string)
}

variable "pubsub_agent" {
  description = "The member Pub/Sub itself acts as."
  type        = string
}

variable "retention" {
  description = "How long topics keep what was delivered, for a seek; null: not at all."
  type = object({
    raw      = optional(string, "604800s")
    enriched = optional(string, "86400s")
  })
}
