variable "project_id" {
  description = "The project all of it is in."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Not the id of a project."
  }
}

variable "region" {
  description = "Where everything runs and messages are kept."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Not a region."
  }
}

variable "domain" {
  description = "Host name of the collector, which brings a load balancer and a certificate; null: Cloud Run's own address."
  type        = string
  default     = null
}

variable "image" {
  description = "Image of all processes, by digest."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Images are named by digest, …@sha256:…: terraform/build.sh writes it."
  }
}

variable "metrics_image" {
  description = "Image, by digest, of Google's Prometheus sidecar; null: the loader's own metrics are not collected."
  type        = string
  default     = null
  validation {
    condition     = var.metrics_image == null ? true : can(regex("@sha256:[0-9a-f]{64}$", var.metrics_image))
    error_message = "Images are named by digest, …@sha256:…: terraform/build.sh writes it."
  }
}

variable "prefix" {
  description = "Before the names of everything, so that two can live in one project."
  type        = string
  default     = "snowmelt-"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}-$", var.prefix))
    error_message = "Lower case, at most 16 characters, with a hyphen at the end."
  }
}

variable "schemas" {
  description = "Folder of the schemas."
  type        = string
}

variable "schemas_public" {
  description = "Whether anybody may read the schemas."
  type        = bool
  default     = false
}

variable "compact" {
  description = "Whether enricher and loader share one worker, which is cheaper, and enough for some hundred events a second."
  type        = bool
  default     = false
}

variable "collector" {
  description = "Size of the collector; billing by request, or by instance, which is cheaper above some 50 million requests a month."
  type = object({
    min         = optional(number, 0)
    max         = optional(number, 20)
    concurrency = optional(number, 200)
    cpu         = optional(string, "1")
    memory      = optional(string, "512Mi")
    billing     = optional(string, "request")
  })
  default = {}
}

variable "collector_public" {
  description = "allUsers, or disabled where an organisation forbids that member."
  type        = string
  default     = "allUsers"
}

variable "workers" {
  description = "Sizes of enrich, load, or of work in compact mode: min and max instances, cpu, memory."
  type = object({
    enrich = optional(object({ min = optional(number, 1), max = optional(number, 1), cpu = optional(string, "1"), memory = optional(string, "1Gi") }), {})
    load   = optional(object({ min = optional(number, 1), max = optional(number, 1), cpu = optional(string, "1"), memory = optional(string, "2Gi") }), {})
    work   = optional(object({ min = optional(number, 1), max = optional(number, 1), cpu = optional(string, "1"), memory = optional(string, "3Gi") }), {})
  })
  default = {}
}

variable "settings" {
  description = "Further settings of the services: environment variables, SNOWMELT_…"
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.settings) : startswith(name, "SNOWMELT_")])
    error_message = "Settings begin with SNOWMELT_; see docs/configuration.md."
  }
}

variable "pii_salt" {
  description = "Whether the enricher gets the secret as PII_SALT; turn it on once the secret has a value."
  type        = bool
  default     = false
}

variable "release" {
  description = "By process (collect, enrich, load, work): the revision that goes on working, and the percentage the newest gets."
  type = map(object({
    stable  = string
    percent = optional(number, 0)
  }))
  default = {}
  validation {
    condition     = length(setsubtract(keys(var.release), ["collect", "enrich", "load", "work"])) == 0
    error_message = "Processes are collect, enrich, load and work."
  }
}

variable "dataset" {
  description = "Name of the dataset."
  type        = string
  default     = "snowmelt"
}

variable "bq_location" {
  description = "Where the dataset is; null: in the region."
  type        = string
  default     = null
}

variable "event_days" {
  description = "Days after which events are deleted; null: never."
  type        = number
  default     = null
}

variable "time_travel_hours" {
  description = "How long what was deleted from the dataset can be asked for, 48 to 168; after an erasure people may want it short."
  type        = number
  default     = 168
}

variable "retention" {
  description = "How long topics keep what was delivered."
  type = object({
    raw      = optional(string, "604800s")
    enriched = optional(string, "86400s")
  })
  default = {}
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

variable "deployer" {
  description = "E-mail of the account that releases; null: a person does."
  type        = string
  default     = null
}

variable "alerts" {
  description = "Who is told; slack_channel is the id of a channel made by hand, so that no state holds its token; required: refuse to plan without any; quiet: no traffic is no alarm."
  type = object({
    emails        = optional(list(string), [])
    sms           = optional(list(string), [])
    slack_channel = optional(string)
    required      = optional(bool, false)
    quiet         = optional(bool, false)
  })
  default = {}
  validation {
    condition     = !var.alerts.required || length(var.alerts.emails) + length(var.alerts.sms) > 0 || var.alerts.slack_channel != null
    error_message = "Nobody would hear of an alert: name an e-mail address, a telephone number or a Slack channel."
  }
}

variable "runbooks" {
  description = "Where docs/runbooks can be read."
  type        = string
  default     = "docs/runbooks"
}

variable "canary" {
  description = "Whether a synthetic event is sent every five minutes, and its row looked for."
  type        = bool
  default     = true
}

variable "rate_limit_per_minute" {
  description = "Requests a minute that one address may send, with a domain only; null: no limit, no Cloud Armor."
  type        = number
  default     = null
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

variable "launch_stage" {
  description = "Of worker pools: GA, or BETA where they are not yet more."
  type        = string
  default     = "GA"
}

variable "deletion_protection" {
  description = "Whether collector, workers and the table of events refuse to be deleted."
  type        = bool
  default     = true
}
