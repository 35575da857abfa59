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

variable "command" {
  description = "What snowmelt does in it: enrich, load, or work for both."
  type        = string
  validation {
    condition     = contains(["enrich", "load", "work"], var.command)
    error_message = "command is enrich, load or work."
  }
}

variable "environment" {
  description = "Settings, SNOWMELT_…"
  type        = map(string)
}

variable "secrets" {
  description = "Environment variables that hold a secret, and the secret's name."
  type        = map(string)
}

variable "buckets" {
  description = "Buckets mounted read-only, by path."
  type        = map(string)
}

variable "metrics_image" {
  description = "Image, by digest, of what reads the loader's metrics and passes them to Cloud Monitoring; null for none."
  type        = string
}

variable "size" {
  description = "min = max: that many instances always; else as many as the CPU load asks for."
  type = object({
    min    = optional(number, 1)
    max    = optional(number, 1)
    cpu    = optional(string, "1")
    memory = optional(string, "1Gi")
  })
  validation {
    condition     = var.size.min >= 1 && var.size.min <= var.size.max
    error_message = "At least one instance, and min not above max."
  }
}

variable "single" {
  description = "Whether there may be one instance only: the loader ends the streams of any other."
  type        = bool
  validation {
    condition     = !var.single || var.size.max == 1
    error_message = "One loader writes a dataset: max must be 1."
  }
}

variable "release" {
  description = "stable: a revision that keeps the instances but for `percent` of them, which the newest gets; null: all newest."
  type = object({
    stable  = string
    percent = optional(number, 0)
  })
  validation {
    condition     = var.release == null ? true : var.release.percent >= 0 && var.release.percent <= 100
    error_message = "percent is between 0 and 100."
  }
  validation {
    condition     = var.release == null || !var.single ? true : contains([0, 100], var.release.percent)
    error_message = "One loader writes a dataset: percent is 0 or 100."
  }
}

variable "deployer" {
  description = "E-mail of the account that releases; null for none."
  type        = string
}

variable "launch_stage" {
  type = string
}

variable "deletion_protection" {
  type = bool
}
