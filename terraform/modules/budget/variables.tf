variable "project_number" {
  type = string
}

variable "name" {
  type = string
}

variable "budget" {
  description = "Billing account, amount a month, currency (the account's own by default)."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string)
  })
}

variable "channels" {
  description = "Notification channels."
  type        = list(string)
}
