variable "project_id" {
  type = string
}

variable "prefix" {
  type = string
}

variable "collector" {
  description = "Name of the collector's Cloud Run service."
  type        = string
}

variable "host" {
  description = "Host name under which trackers reach the collector."
  type        = string
}

variable "certificate" {
  description = "Whether that host has a certificate of ours, which can run out."
  type        = bool
}

variable "subscriptions" {
  description = "Names of the subscriptions the services read."
  type        = list(string)
}

variable "keeper" {
  description = "Name of the subscription that holds dead letters."
  type        = string
}

variable "canary" {
  description = "Name of the Cloud Run job that sends synthetic events; null: none does."
  type        = string
}

variable "metrics" {
  description = "Whether the loader's own metrics are collected."
  type        = bool
}

variable "alerts" {
  description = "Who is told. quiet: an environment in which no traffic is no alarm."
  type = object({
    emails        = list(string)
    sms           = list(string)
    slack_channel = optional(string)
    quiet         = bool
  })
}

variable "runbooks" {
  description = "Where docs/runbooks can be read."
  type        = string
}
