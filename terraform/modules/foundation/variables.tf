variable "project_id" {
  type = string
}

variable "prefix" {
  type = string
}

variable "compact" {
  description = "Whether enricher and loader share one worker, and so one account."
  type        = bool
}

variable "operators" {
  description = "Members (group:…, user:…) who may act as the operator's account."
  type        = list(string)
}

variable "deployer" {
  description = "E-mail of the account that releases; null for none."
  type        = string
}

variable "region" {
  type = string
}
