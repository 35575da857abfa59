variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "env" {
  description = "Environment this project is for; GitHub's environment of that name may release to it."
  type        = string
  default     = "prod"
  validation {
    condition     = contains(["dev", "staging", "prod"], var.env)
    error_message = "dev, staging or prod."
  }
}

variable "github_repository" {
  description = "owner/name of the repository that releases from GitHub Actions; null: a person does."
  type        = string
  default     = null
  validation {
    condition     = var.github_repository == null ? true : can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "Written owner/name."
  }
}

variable "github_ref" {
  description = "Branch that may be released."
  type        = string
  default     = "refs/heads/main"
}
