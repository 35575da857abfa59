variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "prefix" {
  type = string
}

variable "domain" {
  description = "Host name of the collector."
  type        = string
}

variable "service" {
  description = "Name of the collector's Cloud Run service."
  type        = string
}

variable "rate_limit_per_minute" {
  description = "Requests a minute that one address may send; null: no limit, and no Cloud Armor."
  type        = number
}
