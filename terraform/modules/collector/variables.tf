variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "name" {
  type = string
}

variable "image" {
  description = "By digest."
  type        = string
}

variable "account" {
  description = "E-mail of its service account."
  type        = string
}

variable "environment" {
  description = "Settings, SNOWMELT_…"
  type        = map(string)
}

variable "size" {
  type = object({
    min         = optional(number, 0)
    max         = optional(number, 20)
    concurrency = optional(number, 200)
    cpu         = optional(string, "1")
    memory      = optional(string, "512Mi")
    billing     = optional(string, "request")
  })
  validation {
    condition     = contains(["request", "instance"], var.size.billing)
    error_message = "billing is request (cheaper for few requests) or instance (cheaper above some 50 million a month)."
  }
  validation {
    condition     = var.size.min <= var.size.max
    error_message = "min must not be above max."
  }
}

variable "release" {
  description = "stable: a revision that keeps the traffic but for `percent` of it, which the newest gets; null: all to the newest."
  type = object({
    stable  = string
    percent = optional(number, 0)
  })
  validation {
    condition     = var.release == null ? true : var.release.percent >= 0 && var.release.percent <= 100
    error_message = "percent is between 0 and 100."
  }
}

variable "behind_balancer" {
  description = "Whether only the load balancer may reach it."
  type        = bool
}

variable "public" {
  description = "allUsers: anybody may send events. Or disabled: no IAM check, for organisations that forbid allUsers."
  type        = string
  validation {
    condition     = contains(["allUsers", "disabled"], var.public)
    error_message = "public is allUsers or disabled."
  }
}

variable "deployer" {
  description = "E-mail of the account that releases; null for none."
  type        = string
}

variable "deletion_protection" {
  type = bool
}
