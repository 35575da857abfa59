variable "project_id" {
  type = string
}

variable "dataset" {
  description = "Name of the dataset."
  type        = string
}

variable "location" {
  description = "Where the dataset is: a region, EU or US."
  type        = string
}

variable "prefix" {
  type = string
}

variable "emails" {
  description = "E-mail by process."
  type        = map(string)
}

variable "analysts" {
  description = "Members who may query."
  type        = list(string)
}

variable "event_days" {
  description = "Days after which events are deleted; null: never."
  type        = number
}

variable "deletion_protection" {
  type = bool
}

variable "time_travel_hours" {
  description = "How long what was deleted can be asked for."
  type        = number
  validation {
    condition     = var.time_travel_hours >= 48 && var.time_travel_hours <= 168
    error_message = "Between 48 and 168 hours, says BigQuery."
  }
}
