variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "domain" {
  description = "Host name of the collector; null: no load balancer, Cloud Run's own address."
  type        = string
  default     = null
}

variable "image" {
  description = "By digest; terraform/build.sh writes it to images.auto.tfvars.json."
  type        = string
}

variable "metrics_image" {
  description = "By digest; terraform/build.sh writes it too."
  type        = string
  default     = null
}

variable "deployer" {
  description = "Account that GitHub releases with, as bootstrap prints it; null: a person does."
  type        = string
  default     = null
}

variable "runbooks" {
  description = "Where docs/runbooks can be read, for the links in alerts; bootstrap prints it for GitHub."
  type        = string
  default     = "docs/runbooks"
}

variable "alert_emails" {
  description = "Who is told."
  type        = list(string)
  default     = []
}

variable "alert_slack_channel" {
  description = "Id of a Slack channel made by hand in Cloud Monitoring: projects/…/notificationChannels/…"
  type        = string
  default     = null
}

variable "analysts" {
  description = "Members (group:…, user:…) who may query."
  type        = list(string)
  default     = []
}

variable "operators" {
  description = "Members who may replay, audit and erase."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "What a month may cost, and the billing account; null: no budget."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string)
  })
  default = null
}

variable "release" {
  description = "By process: the revision that goes on working, and the percentage the newest gets; see docs/deploy.md."
  type = map(object({
    stable  = string
    percent = optional(number, 0)
  }))
  default = {}
}
