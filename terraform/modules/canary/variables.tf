variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "prefix" {
  type = string
}

variable "image" {
  description = "By digest."
  type        = string
}

variable "emails" {
  description = "E-mail by process."
  type        = map(string)
}

variable "environment" {
  description = "Settings, SNOWMELT_…"
  type        = map(string)
}

variable "collector" {
  description = "Address of the collector."
  type        = string
}

variable "schedule" {
  description = "Cron expression, UTC."
  type        = string
}

variable "deployer" {
  description = "E-mail of the account that releases; null for none."
  type        = string
}
